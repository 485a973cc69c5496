import type { Deps } from '../deps.ts'
import { failureOf } from '../../outbox/attempt.ts'
import type { Check, Looking } from './check.ts'
import { eachInTurn, failed, type Found, ok, unknown, warning } from './finding.ts'

/**
 * The TLS certificates of the broker's own address and of the logout addresses, seen from here:
 * when one expires, sign-ins or deliveries fail.
 */
export const certificateChecks: readonly Check[] = [
  {
    id: 'certificates',
    question: 'Are the TLS certificates valid for a while?',
    cost: { everySeconds: 3600, background: true },
    severity: 'ticket',
    look: certificates,
  },
]

const TIMEOUT_MS = 3_000
const AT_ONCE = 8
/** Less than a look may take, so that what was found by then is reported. */
const ALL_MS = 50_000
const DAY = 86_400
const EARLY_SECONDS = 14 * DAY

async function certificates({ deps, now }: Looking): Promise<Found[]> {
  const { metrics, clock } = deps
  const untilMs = clock.steadyMs() + ALL_MS
  metrics.certificateExpiresAt.reset()
  const found = await eachInTurn([...(await addresses(deps))], AT_ONCE, async ([origin, renew]) => {
    const one =
      clock.steadyMs() < untilMs
        ? await certificate(deps, origin, renew, now)
        : unknown('Not checked: other addresses took too long to answer.')
    return { ...one, about: `certificate of ${new URL(origin).host}` }
  })
  return found.toSorted((a, b) => (a.about ?? '').localeCompare(b.about ?? ''))
}

/** Each https origin once, with who renews its certificate. */
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
    // What else keeps the broker from it is the deliveries' matter.
    if (cause !== 'certificate') return unknown(`The broker does not reach ${origin}: ${text}.`)
    return failed(
      `The broker does not accept it: ${text}.`,
      `${renew} Serve it with its intermediate certificates.`,
    )
  }
}

/**
 * Certificates that live for days are renewed days before they end: a fifth of the lifetime is
 * early enough.
 */
function judged(from: number, until: number, now: number, renew: string): Found {
  const left = until - now
  const found = `It expires at ${new Date(until * 1000).toISOString()}, in ${Math.floor(left / DAY)} days.`
  return left < Math.min(EARLY_SECONDS, (until - from) / 5) ? warning(found, renew) : ok(found)
}
