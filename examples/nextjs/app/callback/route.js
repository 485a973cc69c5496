import { randomBytes } from 'node:crypto'
import * as client from 'openid-client'
import { NextResponse } from 'next/server.js'
import { BASE_URL, broker, COOKIE } from '../../lib/broker.js'

export async function GET(request) {
  const { discovered, sessions } = broker()
  const { nonce, state, verifier } = JSON.parse(request.cookies.get('sign-in')?.value ?? '{}')
  const answer = new URL(request.url)
  const tokens = await client.authorizationCodeGrant(
    await discovered,
    new URL(answer.pathname + answer.search, BASE_URL),
    {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
      idTokenExpected: true,
    },
  )
  const id = randomBytes(32).toString('base64url')
  sessions.set(id, { claims: tokens.claims() })
  const response = NextResponse.redirect(`${BASE_URL}/me`)
  response.cookies.set('sign-in', '', { ...COOKIE, maxAge: 0 })
  response.cookies.set('session', id, COOKIE)
  return response
}
