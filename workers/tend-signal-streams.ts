import type { Deps } from '../src/deps.ts'
import { isManaged, type ManagedIssuer, openIssuers } from '../src/signal/issuers.ts'
import { createPolling } from '../src/signal/poll.ts'
import { tendStream } from '../src/signal/stream-care.ts'
import { createTransmitter, type Transmitter } from '../src/signal/transmitter.ts'
import { repeat, type Repeating } from './repeat.ts'

/** The broker's own streams at transmitters of security events: each by itself, so that one that hangs delays no other. */

const TEND_MS = 5_000
const POLL_MS = 1_000

export function tendSignalStreams(deps: Deps): Repeating[] {
  const issuers = [...openIssuers(deps).secevent.values()].filter(isManaged)
  return issuers.flatMap((issuer) => {
    const transmitter = createTransmitter(deps, issuer)
    const tending = repeat(deps.log, 'tend-signal-streams', TEND_MS, () => tendStream(deps, issuer, transmitter))
    return issuer.stream.delivery === 'poll' ? [tending, pollSignals(deps, issuer, transmitter)] : [tending]
  })
}

/** At the end of the process a request that the transmitter holds open is broken off. */
function pollSignals(deps: Deps, issuer: ManagedIssuer, transmitter: Transmitter): Repeating {
  const ending = new AbortController()
  const polling = createPolling(deps, issuer, transmitter)
  const turns = repeat(deps.log, 'poll-signals', POLL_MS, () => polling.turn(ending.signal))
  return {
    wake: turns.wake,
    async stop() {
      ending.abort()
      await turns.stop()
    },
  }
}
