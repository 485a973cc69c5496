import { Hono, type Context } from 'hono'
import type { User } from '../users.ts'
import { revokeSessions } from '../user-acts.ts'
import type { Site } from '../site.ts'
import type { World } from '../world.ts'
import { readAppToken, type GraphCaller } from './app-token.ts'
import { delta } from './delta.ts'
import { graphError } from './graph-error.ts'
import { Subscriptions } from './subscriptions.ts'
import { selectProperties } from './user.ts'

/**
 * The part of Microsoft Graph that the broker calls, for applications only. The `roles` of a token
 * decide which calls are allowed.
 */

type Answer = Response | Promise<Response>
type GraphHandler = (c: Context, caller: GraphCaller) => Answer

const BASE = '/graph/v1.0'
const READ = ['User.Read.All', 'Directory.Read.All']

export function graphRoom(site: Site, subscriptions: Subscriptions): Hono {
  const app = new Hono()
  const may = permitting(site)
  users(app, site, may)
  risk(app, site, may)
  domains(app, site, may)
  subscribing(app, subscriptions, may)
  return app
}

type May = (roles: string[], act: GraphHandler) => (c: Context) => Promise<Response>

/** Returns a guard of endpoints: the application needs one of the given roles. */
function permitting(site: Site): May {
  return (roles, act) => async (c) => {
    const trouble = await site.trouble('graph')
    if (trouble?.retryAfter) {
      c.header('Retry-After', trouble.retryAfter)
      return graphError(c, 429, 'TooManyRequests', 'Too many requests.', site.world.clock.nowMs())
    }
    if (trouble)
      return graphError(
        c,
        503,
        'ServiceUnavailable',
        'The service is unavailable.',
        site.world.clock.nowMs(),
      )
    const caller = await readAppToken(site, c.req.header('authorization'))
    if (!caller)
      return graphError(
        c,
        401,
        'InvalidAuthenticationToken',
        'Access token is empty, expired or not one of ours.',
        site.world.clock.nowMs(),
      )
    if (!roles.some((role) => caller.roles.includes(role)))
      return graphError(
        c,
        403,
        'Authorization_RequestDenied',
        'Insufficient privileges to complete the operation.',
        site.world.clock.nowMs(),
      )
    return act(c, caller)
  }
}

function users(app: Hono, site: Site, may: May): void {
  app.get(
    `${BASE}/users/delta`,
    may(READ, (c, caller) => delta(c, site.world, caller.tid)),
  )
  app.get(
    `${BASE}/users/:id`,
    may(READ, (c, caller) =>
      withUser(c, site, caller, (user) =>
        c.json({
          '@odata.context': `${site.world.origin}${BASE}/$metadata#users/$entity`,
          ...selectProperties(user, c.req.query('$select')),
        }),
      ),
    ),
  )
  app.post(
    `${BASE}/users/:id/revokeSignInSessions`,
    may(['User.RevokeSessions.All'], (c, caller) =>
      withUser(c, site, caller, (user) => {
        revokeLater(site, user)
        return c.json({
          '@odata.context': `${site.world.origin}${BASE}/$metadata#Edm.Boolean`,
          value: true,
        })
      }),
    ),
  )
}

/** Identity Protection has an entry only for users who were at risk. */
function risk(app: Hono, site: Site, may: May): void {
  app.get(
    `${BASE}/identityProtection/riskyUsers/:id`,
    may(['IdentityRiskyUser.Read.All'], (c, caller) =>
      withUser(c, site, caller, ({ oid, riskSince }) =>
        riskSince === undefined
          ? graphError(
              c,
              404,
              'ResourceNotFound',
              'There is no such risky user.',
              site.world.clock.nowMs(),
            )
          : c.json({
              id: oid,
              riskLevel: 'high',
              riskState: 'atRisk',
              riskLastUpdatedDateTime: new Date(riskSince * 1000).toISOString(),
            }),
      ),
    ),
  )
}

/** A federated domain that signs in without a page has PromptLoginBehavior=Disabled. */
function domains(app: Hono, { world }: Site, may: May): void {
  const federated = (tid: string): Set<string> =>
    new Set(
      [...world.switches.federatedDomains, ...world.switches.silentDomains].filter(
        (federatedDomain) => domainsOf(world, tid).has(federatedDomain),
      ),
    )
  app.get(
    `${BASE}/domains`,
    may(['Domain.Read.All'], (c, { tid }) =>
      c.json({
        value: [...domainsOf(world, tid)].map((id) => ({
          id,
          authenticationType: federated(tid).has(id) ? 'Federated' : 'Managed',
        })),
      }),
    ),
  )
  app.get(
    `${BASE}/domains/:id/federationConfiguration`,
    may(['Domain.Read.All'], (c, { tid }) => {
      const id = c.req.param('id') ?? ''
      if (!federated(tid).has(id))
        return graphError(
          c,
          404,
          'Request_ResourceNotFound',
          'The domain is not federated.',
          world.clock.nowMs(),
        )
      return c.json({
        value: [
          {
            id,
            promptLoginBehavior: world.switches.silentDomains.includes(id)
              ? 'disabled'
              : 'nativeSupport',
          },
        ],
      })
    }),
  )
}

/** Returns the tenant's own domain, and those of its users' names. */
const domainsOf = (world: World, tid: string): Set<string> =>
  new Set(
    [
      world.tenant(tid)?.domain ?? [],
      ...world
        .users()
        .flatMap((user) => (user.tid === tid ? [user.upn.slice(user.upn.indexOf('@') + 1)] : [])),
    ].flat(),
  )

function subscribing(app: Hono, subscriptions: Subscriptions, may: May): void {
  app.get(
    `${BASE}/subscriptions`,
    may(READ, (c, caller) => subscriptions.list(c, caller)),
  )
  app.post(
    `${BASE}/subscriptions`,
    may(READ, (c, caller) => subscriptions.create(c, caller)),
  )
  app.get(
    `${BASE}/subscriptions/:id`,
    may(READ, (c, caller) => subscriptions.show(c, caller)),
  )
  app.patch(
    `${BASE}/subscriptions/:id`,
    may(READ, (c, caller) => subscriptions.renew(c, caller)),
  )
  app.delete(
    `${BASE}/subscriptions/:id`,
    may(READ, (c, caller) => subscriptions.remove(c, caller)),
  )
}

function withUser(
  c: Context,
  site: Site,
  caller: GraphCaller,
  act: (user: User) => Answer,
): Answer {
  const id = c.req.param('id') ?? ''
  const user = site.world.userById(caller.tid, id) ?? site.world.userOf(id)
  if (!user || user.deleted || user.tid !== caller.tid) {
    return graphError(
      c,
      404,
      'Request_ResourceNotFound',
      `Resource '${id.slice(0, 60)}' does not exist or one of its queried reference-property objects are not present.`,
      site.world.clock.nowMs(),
    )
  }
  return act(user)
}

/** Revokes after a delay. Microsoft takes minutes. */
function revokeLater(site: Site, user: User): void {
  const { revokeDelayMs, revokeNotifies } = site.world.switches
  const act = (): void => {
    revokeSessions(site.world, user)
    if (revokeNotifies) site.world.changed(user, 'updated')
  }
  if (revokeDelayMs === 0) act()
  else setTimeout(act, revokeDelayMs).unref()
}
