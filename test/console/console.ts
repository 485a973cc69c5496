import { sha256 } from '../../src/runtime/compare.ts'
import { ROLE } from '../../src/protocol/names.ts'
import { SESSION_COOKIE } from '../../src/session/cookie.ts'
import { OTHER_TENANT, type Rig } from '../rig.ts'
import { type Browser, browserAt } from '../browser.ts'

/**
 * The console as an operator's browser sees it: both listeners are on localhost, and their cookies
 * ignore ports.
 */

export const OPS = 'http://localhost:7401'

export const USERS = {
  operator: {
    oid: '00000000-0000-4000-8000-0000000000b1',
    name: 'Olga Operator',
    username: 'olga@contoso.example',
    roles: [ROLE.operator],
  },
  auditor: {
    oid: '00000000-0000-4000-8000-0000000000b5',
    name: 'Aura Auditor',
    username: 'aura@contoso.example',
    roles: [ROLE.auditor],
  },
  administrator: {
    oid: '00000000-0000-4000-8000-0000000000b2',
    name: 'Adam Administrator',
    username: 'adam@contoso.example',
    roles: [ROLE.administrator],
  },
  second: {
    oid: '00000000-0000-4000-8000-0000000000b6',
    name: 'Ada Administrator',
    username: 'ada@contoso.example',
    roles: [ROLE.administrator],
  },
  foreigner: {
    oid: '00000000-0000-4000-8000-0000000000b3',
    name: 'Fiona Foreign',
    username: 'fiona@fabrikam.example',
    roles: [ROLE.administrator],
    tid: OTHER_TENANT,
  },
  nobody: {
    oid: '00000000-0000-4000-8000-0000000000b4',
    name: 'Nick Nobody',
    username: 'nick@contoso.example',
    roles: ['CaseManager.User'],
  },
} as const

export type Somebody = keyof typeof USERS

/** Returns the browser of a user who has just opened a session of the broker. */
export async function browserOf(
  rig: Rig,
  who: Somebody,
): Promise<Browser & { sid: string; sub: string }> {
  const { roles, ...user } = USERS[who]
  const { session, cookieHeader } = await rig.openSession({
    user,
    roles: [...roles],
    device: 'Firefox on Linux',
  })
  return Object.assign(browserAt(rig, { at: OPS, cookies: cookieHeader }), {
    sid: session.sid,
    sub: session.sub,
  })
}

/** Returns the same browser, signed in to the console. */
export async function atConsole(rig: Rig, who: Somebody) {
  const browser = await browserOf(rig, who)
  await browser.get('/ops/sign-in')
  return browser
}

/** Returns the address of the page on which an administrator confirms a revocation. */
export const revoking = (fields: Record<string, string | undefined>): string =>
  `/ops/revoke?${new URLSearchParams(
    Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined),
  ).toString()}`

/** Returns the hash by which the store knows a browser's session. */
export const cookieHash = (browser: Browser): string =>
  sha256(browser.cookies.get(SESSION_COOKIE) ?? '')

/** Opens sessions at Sydney, each of which gets one pending delivery when it is revoked. */
export async function sessionsAt(rig: Rig, city: string, users: readonly string[]) {
  const client = await rig.register(city)
  const sessions = []
  for (const [index, name] of users.entries()) {
    const { session } = await rig.openSession({
      user: {
        oid: `00000000-0000-4000-8000-0000000001${String(index).padStart(2, '0')}`,
        name,
        username: `${name.toLowerCase()}@contoso.example`,
      },
      device: `Safari on iPhone`,
    })
    await rig.signInAt(session.sid, client)
    sessions.push(session)
  }
  return { client, sessions }
}

/** Records the outcome of the next attempt at a delivery. */
export async function attempted(
  rig: Rig,
  id: string,
  outcome: 'delivered' | 'rejected' | 'failed',
): Promise<void> {
  const delivery = await rig.store.findDelivery(id)
  const number = (delivery?.attempts ?? 0) + 1
  const nowMs = rig.clock.nowMs()
  await rig.store.leaseDelivery({
    id,
    attempt: number,
    nowMs,
    untilMs: nowMs + 10_000,
    early: true,
  })
  const attempt = {
    attempt: number,
    atMs: nowMs,
    outcome,
    latencyMs: 12,
    jti: `jti-${number}`,
    ...(outcome === 'delivered' ? { status: 200 } : { status: 400, error: 'invalid_request' }),
  }
  await rig.store.recordDelivery({ id, result: { outcome, attempt } })
}
