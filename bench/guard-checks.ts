import type { Guard } from '@case-manager/guard'
import { createLocalJWKSet, jwtVerify, type JSONWebKeySet } from 'jose'
import type { Stage } from './stage.ts'
import { REDIRECT_URI, VERIFIER } from './revocation-server.ts'

/**
 * Token checks a second on one core: by the guard, which also knows revocations, and by bare
 * verification of the signature.
 */

export interface Checks {
  guardPerSecond: number
  josePerSecond: number
  times: number
}

const TOKENS = 200
const SECONDS = 2

export async function guardChecks(stage: Stage, guard: Guard, clientId: string): Promise<Checks> {
  const { sessions } = await stage.ask('sessions', {
    count: TOKENS,
    clients: [clientId],
    tid: '88888888-8888-4888-8888-888888888888',
    codes: true,
  })
  const tokens = await Promise.all(
    sessions.map(
      async (session) =>
        (await stage.exchange(session, clientId, { uri: REDIRECT_URI, verifier: VERIFIER }))
          .access_token,
    ),
  )
  const jwks = createLocalJWKSet((await (await fetch(`${stage.url}/jwks`)).json()) as JSONWebKeySet)
  const expected = { issuer: stage.url, audience: `urn:bench:${clientId}`, typ: 'at+jwt' }
  const josePerSecond = await perSecond(tokens, (token) => jwtVerify(token, jwks, expected))
  const guardPerSecond = await perSecond(tokens, async (token) => {
    if (!(await guard.check(token)).ok) throw new Error('The guard rejects a token that is good.')
  })
  return { guardPerSecond, josePerSecond, times: Math.round(guardPerSecond / josePerSecond) }
}

async function perSecond(
  tokens: readonly string[],
  check: (token: string) => Promise<unknown>,
): Promise<number> {
  for (const token of tokens) await check(token)
  let checks = 0
  const from = performance.now()
  while (performance.now() - from < SECONDS * 1000) {
    for (const token of tokens) await check(token)
    checks += tokens.length
  }
  return Math.round(checks / ((performance.now() - from) / 1000))
}
