import type { Guard } from '../guard.ts'
import type { CheckCounters } from './checks.ts'
import type { EndedStream } from './ended-stream.ts'
import type { Sessions } from './sessions.ts'

interface Measured {
  guard: Pick<Guard, 'status'>
  checks: CheckCounters
  sessions: Sessions
  ended: EndedStream
}

/** Returns the metrics in Prometheus text format. */
export function metricsText({ checks, ended, guard, sessions }: Measured): string {
  const status = guard.status()
  const { counters } = status
  return [
    gauge(
      'guard_ready',
      '1 when tokens can be accepted, after the first snapshot',
      Number(status.ready),
    ),
    gauge('guard_connected', '1 while the feed is connected', Number(status.connected)),
    gauge('guard_lease_seconds', 'For how long tokens may be accepted', status.leaseMs / 1000),
    counter('guard_lease_ran_out_total', 'Times that a lease ran out', [
      [{}, counters.leasesRunOut],
    ]),
    gauge(
      'guard_clock_drift_ppm',
      'Difference in speed of the clocks, where it allows no lease; else 0',
      status.clockDriftPpm ?? 0,
    ),
    gauge(
      'guard_clock_offset_seconds',
      "The broker's clock less this machine's",
      status.clockOffsetSeconds ?? Number.NaN,
    ),
    gauge('guard_enforced_seq', 'The log is enforced up to here', status.enforcedSeq),
    gauge('guard_reported_seq', 'The newest that the broker has noted', status.reportedSeq ?? 0),
    gauge('guard_revocations', 'Revocations that are remembered', status.entries),
    gauge('guard_cached_tokens', 'Verified tokens that are remembered', status.cachedTokens),
    gauge('guard_sessions', 'Sessions whose end the stream would say', sessions.size),
    gauge('guard_ended_streams', 'Readers of the stream of ended sessions', ended.size),
    counter('guard_requests_allowed_total', 'Requests that were let through with a token', [
      [{}, checks.allowed],
    ]),
    counter('guard_requests_public_total', 'Requests that were let through by a public rule', [
      [{}, checks.public],
    ]),
    counter(
      'guard_requests_denied_total',
      'Requests that were not let through',
      labelled('why', checks.denied),
    ),
    counter(
      'guard_tokens_rejected_total',
      'Tokens that were not accepted',
      labelled('why', counters.rejected),
    ),
    counter('guard_feed_connects_total', 'Connections to the feed', [[{}, counters.connects]]),
    counter('guard_feed_resets_total', 'Times that the log was another one', [
      [{}, counters.resets],
    ]),
    counter('guard_introspections_total', 'Tokens that the broker was asked about', [
      [{}, counters.introspections],
    ]),
    counter('guard_session_checks_total', 'Sessions that the application asked about', [
      [{}, counters.sessionChecks],
    ]),
    counter('guard_sessions_asked_total', 'Sessions that the broker was asked about', [
      [{}, counters.sessionsAsked],
    ]),
    counter('guard_reports_total', 'Reports that the broker has noted', [[{}, counters.reports]]),
  ].join('')
}

type Sample = [labels: Record<string, string>, value: number]

const labelled = (name: string, values: Partial<Record<string, number>>): Sample[] =>
  Object.entries(values).map(([value, count]) => [{ [name]: value }, count ?? 0])

const gauge = (name: string, help: string, value: number): string =>
  family(name, help, 'gauge', [[{}, value]])
const counter = (name: string, help: string, samples: Sample[]): string =>
  family(name, help, 'counter', samples)

function family(name: string, help: string, type: string, samples: Sample[]): string {
  const lines = samples.map(([labels, value]) => {
    const inside = Object.entries(labels).map(([label, text]) => `${label}="${text}"`)
    return `${name}${inside.length === 0 ? '' : `{${inside.join(',')}}`} ${number(value)}\n`
  })
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`
}

const number = (value: number): string => (value === Infinity ? '+Inf' : String(value))
