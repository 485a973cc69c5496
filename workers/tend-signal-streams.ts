import type { Deps } from '../src/deps.ts'
import { isManaged, openIssuers } from '../src/signal/issuers.ts'
import { tendStream } from '../src/signal/stream-care.ts'
import { createTransmitter } from '../src/signal/transmitter.ts'
import { repeat, type Repeating } from './repeat.ts'

/** The broker's own streams at transmitters of security events: each by itself, so that one that hangs delays no other. */

const TEND_MS = 5_000

export function tendSignalStreams(deps: Deps): Repeating[] {
  const issuers = [...openIssuers(deps).secevent.values()].filter(isManaged)
  return issuers.map((issuer) => {
    const transmitter = createTransmitter(deps, issuer)
    return repeat(deps.log, 'tend-signal-streams', TEND_MS, () => tendStream(deps, issuer, transmitter))
  })
}
