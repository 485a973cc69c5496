import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import type { Deps } from '../deps.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import { equalInConstantTime, sha256 } from '../../runtime/compare.ts'
import { newId } from '../../runtime/ids.ts'
import type { Actor } from '../../protocol/revocation.ts'
import { operatorExists } from '../acts/setup-token.ts'

/**
 * The caller of /setup: the holder of the one-time token while there is no operator, then an
 * administrator whom the console signs in. A pass of the token ends with the first operator, unless
 * it was a recovery token.
 */

/**
 * An administrator whom the console has authenticated. `fresh`: signed in at Microsoft within the
 * last minutes.
 */
interface Administrator {
  actor: Actor
  fresh: boolean
}
/**
 * Asks the console who is signed in. It is passed in, because endpoint modules do not import each
 * other.
 */
export type AskConsole = (c: Context, now: number) => Promise<Administrator | undefined>

export interface SetupCaller {
  by: 'token' | 'role'
  actor: Actor
  /** The id that binds the caller's forms. It is the same in all sessions of an administrator. */
  key: string
  /** True if the caller may change who can sign in. */
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
  recovery: boolean
}

export async function setSetupCookie(
  deps: Pick<Deps, 'sealer' | 'random' | 'store'>,
  c: Context,
  now: number,
  recovery: boolean,
): Promise<void> {
  const pass: Pass = { id: newId(deps.random), recovery }
  if (recovery) await deps.store.setSetting(RECOVERY, sha256(pass.id))
  setCookie(c, COOKIE, sealUntil(deps.sealer, PLACE, pass, now + SECONDS), {
    ...ATTRIBUTES,
    maxAge: SECONDS,
  })
}

export async function setupCallerOf(
  deps: Deps,
  ask: AskConsole,
  c: Context,
  now: number,
): Promise<SetupCaller | undefined> {
  const administrator = await ask(c, now)
  if (administrator !== undefined) {
    const { actor, fresh } = administrator
    return { by: 'role', actor, key: `role ${actor.id}`, fresh }
  }
  const pass = openUntil(deps.sealer, PLACE, getCookie(c, COOKIE), now) as Pass | undefined
  if (pass === undefined || !(await counts(deps, pass))) return undefined
  // The holder of the token controls the machine, so a fresh sign-in would prove nothing more.
  return {
    by: 'token',
    actor: { kind: 'operator', id: 'setup-token' },
    key: `token ${pass.id}`,
    fresh: true,
  }
}

async function counts({ store }: Pick<Deps, 'store'>, pass: Pass): Promise<boolean> {
  if (!(await operatorExists(store))) return true
  const kept = pass.recovery ? await store.setting(RECOVERY) : undefined
  return kept !== undefined && equalInConstantTime(kept, sha256(pass.id))
}
