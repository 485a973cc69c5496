import type { Child } from 'hono/jsx'
import type { ConsoleRequest } from './layout.tsx'

/** Times in the filters of lists: to the minute, in UTC, as the lists show them. */

const SHAPE = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?)?$/

/** Epoch seconds; undefined where nothing, or no time, was asked for. */
export function momentOf({ c }: ConsoleRequest, name: string): number | undefined {
  const value = c.req.query(name) ?? ''
  const at = SHAPE.test(value)
    ? Date.parse(value.length === 10 ? `${value}T00:00Z` : `${value}Z`)
    : Number.NaN
  return Number.isNaN(at) ? undefined : Math.floor(at / 1000)
}

const momentText = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 16)

export const MomentField = ({
  name,
  label,
  value,
}: {
  name: string
  label: Child
  value: number | undefined
}) => (
  <div class="field">
    <label for={name}>{label}</label>
    <input
      id={name}
      name={name}
      type="datetime-local"
      value={value === undefined ? undefined : momentText(value)}
    />
  </div>
)
