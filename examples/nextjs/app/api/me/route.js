import { broker } from '../../../lib/broker.js'

export async function GET(request) {
  const authorized = await broker().guard.authorize(request)
  return authorized.ok ? Response.json({ sub: authorized.claims.sub }) : authorized.response
}
