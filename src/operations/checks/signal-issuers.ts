import { eventInterval, intervalMark } from '../../signals/received/interval.ts'
import type { Check, Looking } from './check.ts'
import { failed, type Found, ok } from './finding.ts'
import { REMEDY } from './texts/fixes.ts'

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
 * Warns about a transmitter that sends nothing, not even verification events: it may be unable to
 * report that a session must end.
 */
async function sendsEvents({ deps, now }: Looking): Promise<Found[]> {
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
        : failed(
            `The broker accepted no event from it for ${seconds} s, not even a verification event.`,
            REMEDY.silent_issuer,
            { about },
          ),
    )
  }
  return found
}
