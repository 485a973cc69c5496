import { eventInterval, intervalMark } from '../../signals/received/interval.ts'
import type { Check, CheckContext } from './check.ts'
import { failed, type Found, ok, unknown } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/** Checks that the transmitters of security events send to the broker. */
export const signalIssuerChecks: readonly Check[] = [
  {
    id: 'signal-issuers',
    cost: { everySeconds: 30 },
    severity: 'ticket',
    look: sendsEvents,
  },
]

/**
 * The longest first attempt of a broker that manages its stream: the requests that create and
 * verify the stream, of 10 s each, and a poll of 25 s. Other transmitters send by themselves.
 */
const FIRST_SECONDS = 120

/**
 * Warns about a transmitter that sends nothing, not even verification events: it may be unable to
 * report that a session must end.
 */
async function sendsEvents({ deps, now, upSeconds }: CheckContext): Promise<Found[]> {
  const found: Found[] = []
  for (const { issuer: about, maxSilenceSeconds: seconds, stream } of deps.config.signals.issuers) {
    if (seconds === undefined || stream?.delivery === 'none') continue
    const marks = [now, now - seconds].map((at) =>
      deps.store.wasConsumed(intervalMark(eventInterval(about, seconds), at)),
    )
    const was = (await Promise.all(marks)).includes(true)
    found.push(
      was
        ? ok('Its events arrive.', { about })
        : upSeconds < (stream === undefined ? seconds : FIRST_SECONDS)
          ? { ...unknown(FOUND.first_event), about }
          : failed(FOUND.no_event(seconds), REMEDY.silent_issuer, { about }),
    )
  }
  return found
}
