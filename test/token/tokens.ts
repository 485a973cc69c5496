import type { RegisteredClient, Rig } from '../rig.ts'

/** Readers of token responses, which the tests of this folder share. */

export interface Tokens {
  access_token: string
  token_type: string
  expires_in: number
  scope: string
  refresh_token?: string
  id_token?: string
  issued_token_type?: string
}

export const claimsOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >
export const headerOf = (jwt: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(jwt.split('.')[0] ?? '', 'base64url').toString()) as Record<
    string,
    unknown
  >

/** Returns status and error: `[400, 'invalid_grant']`, or `[200, 'ok']`. */
export async function outcome(response: Response | Promise<Response>): Promise<[number, string]> {
  const answer = await response
  const text = await answer.text()
  return [
    answer.status,
    text === '' ? '' : ((JSON.parse(text) as { error?: string }).error ?? 'ok'),
  ]
}

export const refreshForm = (token: string | undefined, more: Record<string, string> = {}) => ({
  grant_type: 'refresh_token',
  refresh_token: token ?? '',
  ...more,
})

export async function tokensOf(response: Response | Promise<Response>): Promise<Tokens> {
  const answer = await response
  if (answer.status !== 200) throw new Error(`${answer.status} ${await answer.text()}`)
  return (await answer.json()) as Tokens
}

/** Registers a client with every permission, and opens a session with tokens there. */
export async function signedIn(
  rig: Rig,
  changes: Parameters<Rig['register']>[1] = {},
  scope?: string,
) {
  const client: RegisteredClient = await rig.register('Sydney', changes)
  const { session, cookieHeader } = await rig.openSession()
  const tokens = await rig.signInAt(session.sid, client, scope)
  return { client, session, cookieHeader, tokens: tokens as Tokens }
}

export const isLive = async (rig: Rig, sid: string): Promise<boolean> =>
  (await rig.store.statusBySid(sid, rig.clock.now())).state === 'live'
