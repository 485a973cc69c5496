import { broker } from '../../lib/broker.js'

export async function GET(request) {
  const session = broker().sessions.get(request.cookies.get('session')?.value)
  // The session ends with the access token. Then /login asks the broker again, which shows no page
  // while its own session lives.
  if (session === undefined || session.claims.exp < Date.now() / 1000)
    return Response.json({ error: 'signed_out' }, { status: 401 })
  return Response.json({ sub: session.claims.sub, name: session.name })
}
