import { broker } from './lib/broker.js'

/** Judges the session of each request, before any page or route. */
export const proxy = (request) => broker().judge(request)

export const config = { matcher: '/((?!_next/static|_next/image|favicon.ico).*)' }
