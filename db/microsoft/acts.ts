import type { Engine } from '../engine/act.ts'
import { microsoftWorkActs } from '../outbox/microsoft-work.ts'
import type { MicrosoftActs } from '../store.ts'
import { endAuthenticated, endMicrosoftSession } from './end.ts'
import { probePageActs } from './probe-pages.ts'
import { findProbe, recordProbe } from './probe.ts'

/** What Microsoft says of sessions, and what is to be asked of it. */
export function microsoftActs(engine: Engine): MicrosoftActs {
  const { write, read } = engine
  return {
    ...probePageActs(engine),
    findProbe: (sid, now) => read(() => findProbe(sid, now)),
    recordProbe: (input) => write(() => recordProbe(input)),
    endMicrosoftSession: (input) => write(() => endMicrosoftSession(input)),
    endAuthenticated: (input) => write(() => endAuthenticated(input)),
    ...microsoftWorkActs(engine),
  }
}
