import type { Deps } from './deps.ts'
import { isManaged, openIssuers } from '../src/signals/received/issuers.ts'
import { createPolling } from '../src/signals/received/poll.ts'
import { tendStream } from '../src/signals/received/stream-care.ts'
import { createTransmitter } from '../src/signals/received/transmitter.ts'
import { repeat, type Repeating } from './repeat.ts'

/**
 * Maintains the broker's own streams at transmitters of security events. Each has its own timers,
 * so that a transmitter that hangs delays no other.
 */

const TEND_MS = 5_000
const POLL_MS = 1_000

export function tendSignalStreams(deps: Deps): Repeating[] {
  const issuers = [...openIssuers(deps).secevent.values()].filter(isManaged)
  return issuers.flatMap((issuer) => {
    const ending = new AbortController()
    const transmitter = createTransmitter(deps, issuer, ending.signal)
    const tending = repeat(deps.log, 'tend-signal-streams', TEND_MS, () =>
      tendStream(deps, issuer, transmitter),
    )
    const { turn } = createPolling(deps, issuer, transmitter)
    const works =
      issuer.stream.delivery === 'poll'
        ? [tending, repeat(deps.log, 'poll-signals', POLL_MS, turn)]
        : [tending]
    return works.map((work) => endingAtOnce(work, ending))
  })
}

/** Returns the work with a `stop` that first aborts a request that the transmitter holds open. */
const endingAtOnce = ({ wake, stop }: Repeating, ending: AbortController): Repeating => ({
  wake,
  async stop() {
    ending.abort()
    await stop()
  },
})
