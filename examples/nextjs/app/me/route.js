import { broker } from '../../lib/broker.js'

// proxy.js has judged the session.
export async function GET(request) {
  const session = broker().sessions.get(request.cookies.get('session')?.value)
  if (session === undefined) return Response.json({ error: 'signed_out' }, { status: 401 })
  const { name, sub } = session.claims
  return Response.json({ sub, name })
}
