import type { Deps } from '../deps.ts'
import { failureOf } from '../../outbox/attempt.ts'
import type { Check, CheckContext } from './check.ts'
import { at, eachInTurn, failed, type Found, ok, unknown, warning } from './finding.ts'

/**
 * Checks the TLS certificates of the broker's own address and of logout addresses, as seen from the
 * broker. An expired one fails sign-ins or deliveries.
 */
export const certificateChecks: readonly Check[] = [
  {
    id: 'certificates',
    cost: { everySeconds: 3600, background: true },
    severity: 'ticket',
    warnsByTicket: true,
    look: certificates,
  },
]

const TIMEOUT_MS = 3_000
const AT_ONCE = 8
/** Less than the time limit of a check, so that it reports what it has found. */
const ALL_MS = 50_000
const DAY = 86_400
const EARLY_SECONDS = 14 * DAY

async function certificates({ deps, now }: CheckContext): Promise<Found[]> {
  const { metrics, clock } = deps
  const untilMs = clock.steadyMs() + ALL_MS
  metrics.certificateExpiresAt.reset()
  const found = await eachInTurn([...(await addresses(deps))], AT_ONCE, async ([origin, renew]) => {
    const problem =
      clock.steadyMs() < untilMs
        ? await certificate(deps, origin, renew, now)
        : unknown('Not checked: other addresses took too long to answer.')
    return { ...problem, about: `certificate of ${new URL(origin).host}` }
  })
  return found.toSorted((a, b) => (a.about ?? '').localeCompare(b.about ?? ''))
}

/** Returns each https origin once, with the text on who renews its certificate. */
async function addresses({
  config,
  store,
}: Pick<Deps, 'config' | 'store'>): Promise<Map<string, string>> {
  const usedBy = new Map<string, string[]>()
  for (const { clientId, metadata } of await store.listClients())
    for (const origin of new Set(metadata.logoutUris.map((uri) => new URL(uri).origin)))
      usedBy.set(origin, [...(usedBy.get(origin) ?? []), clientId])
  const renew = new Map(
    [...usedBy].map(([origin, ids]) => [
      origin,
      `Renew it at ${ids.join(', ')}, or at the proxy in front of it.`,
    ]),
  )
  renew.set(new URL(config.issuer).origin, 'Renew it at the proxy in front of the broker.')
  return new Map([...renew].filter(([origin]) => origin.startsWith('https:')))
}

async function certificate(
  { outbound, metrics }: Pick<Deps, 'outbound' | 'metrics'>,
  origin: string,
  renew: string,
  now: number,
): Promise<Found> {
  try {
    const { from, until } = await outbound.certificate(origin, TIMEOUT_MS)
    metrics.certificateExpiresAt.set({ address: origin }, until)
    return judged(from, until, now, renew)
  } catch (error) {
    const { cause, text } = failureOf(error)
    // The checks of deliveries cover every other failure.
    if (cause !== 'certificate') return unknown(`The broker does not reach ${origin}: ${text}.`)
    return failed(
      `The broker does not accept it: ${text}.`,
      `${renew} Serve it with its intermediate certificates.`,
    )
  }
}

/**
 * Warns before a certificate expires: 14 days before, or for a short-lived one in the last fifth of
 * its lifetime.
 */
function judged(from: number, until: number, now: number, renew: string): Found {
  const left = until - now
  const found = `It expires at ${at(until)}, in ${Math.floor(left / DAY)} days.`
  return left < Math.min(EARLY_SECONDS, (until - from) / 5) ? warning(found, renew) : ok(found)
}
