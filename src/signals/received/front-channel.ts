import type { Context } from 'hono'
import type { Deps } from '../deps.ts'
import { canBeStored } from '../../protocol/stored-text.ts'
import type { InTurn } from './queue.ts'

/**
 * Entra's front-channel logout (OpenID Connect Front-Channel Logout 1.0): loaded in an iframe of
 * Microsoft's sign-out page, with a `sid`, often without `iss`. Cookies are ignored, because the
 * browser that sends the request says nothing about the session that is named. The answer is always
 * the same and reveals nothing.
 */

const MOST = 200

export async function frontChannelLogout(
  deps: Deps,
  inTurn: InTurn,
  c: Context,
): Promise<Response> {
  const query = new URL(c.req.url).searchParams
  const named = namedSession(deps, query.getAll('sid'), query.getAll('iss'))
  const outcome =
    typeof named === 'string'
      ? named
      : await inTurn(c, JSON.stringify(named), () => end(deps, named))
  deps.metrics.signals.inc({ kind: 'front_channel', outcome })
  return c.body('<!doctype html><title>Signed out</title>', 200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy': `default-src 'none'; frame-ancestors ${new URL(deps.config.entra.authority).origin}`,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  })
}

interface NamedSession {
  microsoftSid: string
  tid: string | undefined
}

function namedSession(
  deps: Deps,
  sids: string[],
  issuers: string[],
): NamedSession | 'malformed' | 'foreign' {
  const [microsoftSid = ''] = sids
  if (
    sids.length !== 1 ||
    microsoftSid === '' ||
    microsoftSid.length > MOST ||
    !canBeStored(microsoftSid) ||
    issuers.length > 1
  )
    return 'malformed'
  const [issuer] = issuers
  const tid = issuer === undefined ? undefined : tenantOf(deps, issuer)
  if (issuer !== undefined && tid === undefined) return 'foreign'
  return { microsoftSid, tid }
}

async function end(deps: Deps, named: NamedSession): Promise<'ended' | 'nothing'> {
  const committed = await deps.store.endMicrosoftSession({
    ...named,
    reason: 'microsoft_signed_out',
    actor: { kind: 'microsoft', id: 'front-channel' },
    now: deps.clock.now(),
  })
  return committed.length > 0 ? 'ended' : 'nothing'
}

/** Returns the connected tenant whose tokens have this issuer. */
const tenantOf = ({ config, connection }: Deps, issuer: string): string | undefined =>
  connection.current().tenants.find((tid) => issuer === `${config.entra.authority}/${tid}/v2.0`)
