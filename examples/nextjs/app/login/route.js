import * as client from 'openid-client'
import { NextResponse } from 'next/server.js'
import { BASE_URL, broker, COOKIE } from '../../lib/broker.js'

export const dynamic = 'force-dynamic'

export async function GET() {
  const config = await broker().discovered
  const [state, nonce, verifier] = [
    client.randomState(),
    client.randomNonce(),
    client.randomPKCECodeVerifier(),
  ]
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: `${BASE_URL}/callback`,
    scope: 'openid profile email',
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  })
  const response = NextResponse.redirect(url)
  response.cookies.set('sign-in', JSON.stringify({ state, nonce, verifier }), {
    ...COOKIE,
    maxAge: 600,
  })
  return response
}
