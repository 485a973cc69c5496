import type { Child } from 'hono/jsx'
import { when } from '../times.ts'
import type { ConsoleRequest } from './request.ts'

/** A time in UTC, as logs have it. A script shows it in the reader's time zone as well. */
export const Time = ({ atMs, nowMs }: { atMs: number; nowMs: number }) => (
  <time datetime={new Date(atMs).toISOString()} data-utc>
    {when(atMs, nowMs)}
  </time>
)

/** Returns a time of the page, or undefined for none. @param at epoch seconds */
export const timeAt = ({ deps }: Pick<ConsoleRequest, 'deps'>, at: number | undefined): Child =>
  at === undefined ? undefined : <Time atMs={at * 1000} nowMs={deps.clock.nowMs()} />
