import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { Deps } from '../deps.ts'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import { newId } from '../../runtime/ids.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { operatorExists } from '../acts/setup-token.ts'

/**
 * The visitor of /setup: the holder of the one-time token while there is no operator, then an
 * administrator whom the console signs in. A pass of the token ends with the first operator, unless
 * it was a recovery token.
 */

/**
 * An administrator whom the console has authenticated. `fresh`: signed in at Microsoft within the
 * last minutes.
 */
interface Administrator {
  actor: Actor
  name: string
  sid: string
  fresh: boolean
}
/**
 * Asks the console who is signed in. It is passed in, because endpoint modules do not import each
 * other.
 */
export type AskConsole = (c: Context, now: number) => Promise<Administrator | undefined>

export interface Visitor {
  by: 'token' | 'role'
  actor: Actor
  /** The visitor's name, for the record of an assertion. */
  name: string
  /** The id that binds the visitor's forms and visits. */
  key: string
  /** True if the visitor may change who can sign in. */
  fresh: boolean
}

const COOKIE = '__Host-cmb_setup'
const PLACE = 'setup/pass'
const SECONDS = 3600
/** The hash of the one recovery pass, so that BROKER_SECRET alone is not enough to forge one. */
const RECOVERY = 'setup/recovery_pass'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const

interface Pass {
  id: string
  until: number
  recovery: boolean
}

export async function setVisitorCookie(
  deps: Pick<Deps, 'sealer' | 'random' | 'store'>,
  c: Context,
  now: number,
  recovery: boolean,
): Promise<void> {
  const pass: Pass = { id: newId(deps.random), until: now + SECONDS, recovery }
  if (recovery) await deps.store.setSetting(RECOVERY, sha256(pass.id))
  setCookie(c, COOKIE, deps.sealer.seal(PLACE, JSON.stringify(pass)), {
    ...ATTRIBUTES,
    maxAge: SECONDS,
  })
}

export async function visitorOf(
  deps: Deps,
  ask: AskConsole,
  c: Context,
  now: number,
): Promise<Visitor | undefined> {
  const administrator = await ask(c, now)
  if (administrator !== undefined) {
    const { actor, name, sid, fresh } = administrator
    return { by: 'role', actor, name, key: `role ${sid}`, fresh }
  }
  const sealed = getCookie(c, COOKIE)
  const opened = sealed === undefined ? undefined : deps.sealer.open(PLACE, sealed)
  const pass = opened === undefined ? undefined : (JSON.parse(opened.toString('utf8')) as Pass)
  if (pass === undefined || pass.until <= now || !(await counts(deps, pass))) return undefined
  // The holder of the token controls the machine, so a fresh sign-in would prove nothing more.
  return {
    by: 'token',
    actor: { kind: 'operator', id: 'setup-token' },
    name: 'the holder of the setup token',
    key: `token ${pass.id}`,
    fresh: true,
  }
}

async function counts({ store }: Pick<Deps, 'store'>, pass: Pass): Promise<boolean> {
  if (!(await operatorExists(store))) return true
  const kept = pass.recovery ? await store.setting(RECOVERY) : undefined
  return kept !== undefined && equalInConstantTime(kept, sha256(pass.id))
}
