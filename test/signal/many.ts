import type { User } from '../../db/types.ts'
import { answerOfBody, rejectionOf } from '../../src/microsoft/aadsts.ts'
import { MicrosoftRejection, type Renewal } from '../../src/microsoft/interface.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { sealForSession } from '../../src/session/sealed.ts'
import { Probing } from '../../workers/probe-microsoft.ts'
import { createRig, type Rig, TENANT } from '../rig.ts'
import { signalsOf } from './signals-of.ts'

/** Many sessions, a clock that the test moves, and a Microsoft that counts the requests. */

export const ROUND = 900
export const STEP = 10

interface Asked {
  at: number
  oid: string
}

export const oidOf = (i: number): string => `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`

/** Opens the session `s_i` of the user with that number. */
export async function openOf(rig: Rig, i: number): Promise<void> {
  const now = rig.clock.now()
  const user: User = { tid: TENANT, oid: oidOf(i) }
  await rig.store.signIn({
    session: {
      user,
      authTime: now,
      visitStartedAt: now,
      idleSeconds: 80_000,
      absoluteAt: now + 80_000,
      roles: [],
      staySignedIn: true,
      microsoftCacheSealed: sealForSession(
        rig.deps.sealer,
        'microsoft_cache',
        user,
        `tokens of ${i}`,
      ),
      device: 'Firefox on Linux',
      cookieHash: sha256(`cookie ${i}`),
    },
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_${i}`, sid: `s_${i}` },
    now,
  })
}

/** Creates a broker that asks about each session once in a round. */
export const probingRig = (): Promise<Rig> =>
  createRig({ config: { signals: signalsOf([], ROUND) } })

export async function openMany(count: number, perSecond?: number) {
  const rig = await probingRig()
  await Promise.all(Array.from({ length: count }, (_, i) => openOf(rig, i)))
  const asked: Asked[] = []
  let answer: (oid: string) => Renewal | MicrosoftRejection = () => VOUCHED
  rig.microsoft.renewals = ({ user }) => {
    asked.push({ at: rig.clock.now(), oid: user.oid })
    return answer(user.oid)
  }
  let probing = new Probing(rig.deps, undefined, perSecond)
  return {
    rig,
    asked,
    answers: (next: typeof answer) => (answer = next),
    probing: () => probing,
    restart: () => (probing = new Probing(rig.deps, undefined, perSecond)),
    /** Lets time pass. Returns the number of users that were asked about in each step. */
    async pass(seconds: number): Promise<number[]> {
      const load: number[] = []
      for (let passed = 0; passed < seconds; passed += STEP) {
        const before = asked.length
        rig.clock.advance(STEP)
        await probing.turn()
        load.push(asked.length - before)
      }
      return load
    },
    live: () => rig.store.liveSessionCount(rig.clock.now()),
  }
}

export const outage = new MicrosoftRejection('outage', { effect: 'nothing' })
export const VOUCHED: Renewal = { cache: 'newer tokens', roles: undefined }
/** Returns Microsoft's rejection with that number. */
export const rejection = (code: number): MicrosoftRejection =>
  rejectionOf(answerOfBody({ error: 'invalid_grant', error_codes: [code] }))
