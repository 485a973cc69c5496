import type { TokenHour, TokenOutcome } from '../../db/types.ts'
import { dayBefore, summed } from '../client/token-counts.ts'
import type { Deps } from '../deps.ts'
import { Panel, Table } from './desk.tsx'
import { count, when } from './format.ts'

/** Token requests of a client in the last day: in all, and by the hour. */

const OUTCOMES: readonly TokenOutcome[] = ['issued', 'refreshed', 'rejected']
const end = (name: string) => ({ name, end: true }) as const

/** Of every broker: what is in the store, and what this one has yet to add. */
export async function tokenHoursOf({ store, tokenCounts }: Pick<Deps, 'store' | 'tokenCounts'>, clientId: string, now: number): Promise<TokenHour[]> {
  const since = dayBefore(now)
  const stored = await store.tokenHours({ clientId, since })
  return summed([...stored, ...tokenCounts.of(clientId)]).filter(({ at }) => at > since)
}

export function TokensIssued({ hours, nowMs }: { hours: readonly TokenHour[]; nowMs: number }) {
  const sum = (outcome: TokenOutcome): number => hours.reduce((total, hour) => total + hour[outcome], 0)
  return (
    <Panel title="Tokens in the last 24 hours">
      <p class="soft">All brokers together. Each broker adds its own numbers once a minute.</p>
      <Table
        label="Token requests by hour"
        head={['From', end('Issued'), end('Refreshed'), end('Rejected')]}
        rows={hours.length === 0 ? [] : [row('All', OUTCOMES.map(sum)), ...hours.map((hour) => ofHour(hour, nowMs))]}
        none="This client has requested no token."
      />
    </Panel>
  )
}

const row = (name: string, numbers: readonly number[]) => [name, ...numbers.map(count)]
const ofHour = (hour: TokenHour, nowMs: number) =>
  row(
    when(hour.at * 1000, nowMs),
    OUTCOMES.map((outcome) => hour[outcome]),
  )
