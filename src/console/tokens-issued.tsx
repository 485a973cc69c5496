import type { TokenHour, TokenOutcome } from '../client/token-counts.ts'
import { Panel, Table, type ConsoleRequest } from './desk.tsx'
import { count, when } from './format.ts'

/** Token requests of a client in the last day: in all, and by the hour. */

const OUTCOMES: readonly TokenOutcome[] = ['issued', 'refreshed', 'rejected']
const end = (name: string) => ({ name, end: true }) as const

export function TokensIssued({ request: { deps }, clientId }: { request: ConsoleRequest; clientId: string }) {
  const hours = deps.tokenCounts.of(clientId, deps.clock.now())
  const nowMs = deps.clock.nowMs()
  const sum = (outcome: TokenOutcome): number => hours.reduce((total, hour) => total + hour[outcome], 0)
  return (
    <Panel title="Tokens in the last 24 hours">
      <p class="soft">
        This broker has counted its own answers since {when(deps.tokenCounts.since * 1000, nowMs)}. The metric <code>broker_client_tokens_total</code>{' '}
        has those of every broker.
      </p>
      <Table
        label="Token requests by hour"
        head={['From', end('Issued'), end('Refreshed'), end('Rejected')]}
        rows={hours.length === 0 ? [] : [row('All', OUTCOMES.map(sum)), ...hours.map((hour) => ofHour(hour, nowMs))]}
        none="This client has asked for no token."
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
