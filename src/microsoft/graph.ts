import type { Directory } from './directory.ts'
import { openApplication } from './application.ts'
import { about, good, isNobody, secondsOf } from './graph-answer.ts'
import { type Graph, GraphProblem, MicrosoftRejection } from './interface.ts'
import { type Need, outage, rejected } from './asking.ts'
import { domainReader } from './domains.ts'
import { riskReader } from './risk.ts'
import { type Answer, call, createTransport, MicrosoftUnreachable } from './transport.ts'

/**
 * Calls Microsoft Graph with the broker's application permissions: `User.Read.All`,
 * `User.RevokeSessions.All` if sign-out includes Microsoft, `IdentityRiskyUser.Read.All` if risk
 * ends sessions, and `Domain.Read.All` if federated domains are checked. The token is sent to Graph
 * only, even if an answer of Graph links elsewhere.
 */

const DEFAULT_ORIGIN = 'https://graph.microsoft.com/v1.0'
/** The time before a token's expiry at which another is requested. */
const EARLY_SECONDS = 300

interface AppToken {
  value: string
  until: number
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE'
type Ask = (
  tid: string,
  method: Method,
  url: string,
  body?: Record<string, unknown>,
) => Promise<Answer>

export function createGraph(need: Need, directory: Directory): Graph {
  const origin = need.config.signals?.graph.origin ?? DEFAULT_ORIGIN
  const ask = asking(need, directory, origin)
  const path: Ask = (tid, method, rest, body) => ask(tid, method, `${origin}${rest}`, body)
  const get = (tid: string, rest: string) => path(tid, 'GET', rest)
  return {
    ...accounts(path),
    ...riskReader(get, need.clock),
    ...domainReader(get),
    ...subscriptions(path),
    ...changes(ask, path, origin),
  }
}

function accounts(path: Ask): Pick<Graph, 'user' | 'revokeSessions'> {
  return {
    async user(tid, oid) {
      const select =
        '$select=id,accountEnabled,signInSessionsValidFromDateTime,lastPasswordChangeDateTime'
      const answer = await path(tid, 'GET', `/users/${encodeURIComponent(oid)}?${select}`)
      if (isNobody(answer)) return { state: 'gone' }
      const {
        accountEnabled,
        signInSessionsValidFromDateTime: from,
        lastPasswordChangeDateTime: changed,
      } = about(answer, oid)
      if (typeof accountEnabled !== 'boolean')
        throw new GraphProblem('rejected', 'Graph does not say whether the account is enabled.')
      const times = { sessionsValidFrom: secondsOf(from), passwordChangedAt: secondsOf(changed) }
      return { state: 'there', enabled: accountEnabled, ...times }
    },
    async revokeSessions(tid, oid) {
      const answer = await path(
        tid,
        'POST',
        `/users/${encodeURIComponent(oid)}/revokeSignInSessions`,
        {},
      )
      if (isNobody(answer)) return 'gone'
      good(answer)
      return 'asked'
    },
  }
}

function subscriptions(
  path: Ask,
): Pick<Graph, 'subscribe' | 'renewSubscription' | 'subscriptions' | 'unsubscribe'> {
  return {
    async subscribe(tid, { address, clientState, until }) {
      const answer = await path(tid, 'POST', '/subscriptions', {
        changeType: 'updated,deleted',
        resource: 'users',
        notificationUrl: address,
        lifecycleNotificationUrl: address,
        clientState,
        expirationDateTime: new Date(until * 1000).toISOString(),
      })
      return subscriptionOf(good(answer).body)
    },
    async renewSubscription(tid, id, until) {
      const answer = await path(tid, 'PATCH', `/subscriptions/${encodeURIComponent(id)}`, {
        expirationDateTime: new Date(until * 1000).toISOString(),
      })
      return answer.status === 404 ? undefined : subscriptionOf(good(answer).body)
    },
    async subscriptions(tid, address) {
      const { value } = good(await path(tid, 'GET', '/subscriptions')).body
      return rows(value)
        .filter((row) => row.notificationUrl === address)
        .map(subscriptionOf)
    },
    async unsubscribe(tid, id) {
      const answer = await path(tid, 'DELETE', `/subscriptions/${encodeURIComponent(id)}`)
      if (answer.status !== 404) good(answer)
    },
  }
}

/** Microsoft's delta query, which returns only users that changed. */
function changes(ask: Ask, path: Ask, origin: string): Pick<Graph, 'deltaFromNow' | 'changes'> {
  return {
    async deltaFromNow(tid) {
      const answer = good(
        await path(
          tid,
          'GET',
          '/users/delta?$deltatoken=latest&$select=id,accountEnabled,lastPasswordChangeDateTime',
        ),
      )
      return within(origin, answer.body['@odata.deltaLink'])
    },
    async changes(tid, link) {
      const answer = await ask(tid, 'GET', within(origin, link))
      // 410 or `syncStateNotFound`: the link has expired, and the query must start again.
      if (answer.status === 410 || answer.status === 404) return { outcome: 'lost' }
      const { value, '@odata.nextLink': next, '@odata.deltaLink': again } = good(answer).body
      return {
        outcome: 'page',
        oids: rows(value).flatMap((row) =>
          typeof row.id === 'string' ? [row.id.toLowerCase()] : [],
        ),
        ...(next === undefined ? {} : { next: within(origin, next) }),
        ...(again === undefined ? {} : { link: within(origin, again) }),
      }
    },
  }
}

function asking(need: Need, directory: Directory, origin: string): Ask {
  const tokens = new Map<string, AppToken>()
  return async (tid, method, url, body) => {
    const token = await appToken(need, directory, origin, tokens, tid)
    const headers: Record<string, string> = {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      prefer: 'odata.maxpagesize=500',
    }
    if (body !== undefined) headers['content-type'] = 'application/json'
    try {
      const answer = await call(need.fetch, url, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      })
      if (answer.status === 401) tokens.delete(tid)
      return answer
    } catch (cause) {
      throw problemOf(cause)
    }
  }
}

/**
 * Returns a token of the application for one tenant (client credentials), kept in memory until
 * shortly before it expires.
 */
async function appToken(
  need: Need,
  directory: Directory,
  origin: string,
  tokens: Map<string, AppToken>,
  tid: string,
): Promise<string> {
  const now = need.clock.now()
  const known = tokens.get(tid)
  if (known !== undefined && known.until - EARLY_SECONDS > now) return known.value
  try {
    const discovery = await directory.discovery(tid).catch(outage)
    const transport = createTransport(need.fetch, need.clock)
    const application = await openApplication({
      config: need.config,
      connection: need.connection(),
      tenant: tid,
      discovery,
      transport,
    })
    const scopes = [`${new URL(origin).origin}/.default`]
    const result = await application
      .acquireTokenByClientCredential({ scopes })
      .catch((error: unknown) => rejected(error, transport))
    if (result === null) throw new GraphProblem('outage', 'Microsoft gave no token for Graph.')
    const until = now + Number(transport.answer?.body.expires_in ?? 0)
    tokens.set(tid, { value: result.accessToken, until })
    return result.accessToken
  } catch (cause) {
    throw problemOf(cause)
  }
}

function problemOf(cause: unknown): unknown {
  if (cause instanceof GraphProblem) return cause
  if (cause instanceof MicrosoftUnreachable)
    return new GraphProblem(
      cause.retryAfterSeconds === undefined ? 'outage' : 'throttled',
      cause.message,
      {
        cause,
        retryAfterSeconds: cause.retryAfterSeconds,
      },
    )
  if (!(cause instanceof MicrosoftRejection)) return cause
  const kind = cause.guidance === 'outage' ? 'outage' : 'credential'
  return new GraphProblem(kind, cause.message, {
    cause,
    retryAfterSeconds: cause.retryAfterSeconds,
  })
}

const rows = (value: unknown): Record<string, unknown>[] =>
  Array.isArray(value)
    ? value.filter(
        (candidate): candidate is Record<string, unknown> =>
          typeof candidate === 'object' && candidate !== null,
      )
    : []

function subscriptionOf(body: Record<string, unknown>): { id: string; until: number } {
  const until = Date.parse(String(body.expirationDateTime))
  if (typeof body.id !== 'string' || Number.isNaN(until))
    throw new GraphProblem('rejected', 'Graph answered no subscription.')
  return { id: body.id, until: Math.floor(until / 1000) }
}

/**
 * Returns the link if it is Graph's own.
 * @throws GraphProblem for a link to another host
 */
function within(origin: string, link: unknown): string {
  if (typeof link !== 'string' || !link.startsWith(`${origin}/`) || !URL.canParse(link))
    throw new GraphProblem('rejected', 'Graph handed out a link that is not its own.')
  return link
}
