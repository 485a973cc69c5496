import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { CONTOSO, type User } from './users.ts'
import { changeUser, userPatch } from './user-acts.ts'
import { isForeign, type Site } from './site.ts'
import { DEFAULTS, switchesPatch } from './switches.ts'
import type { World } from './world.ts'

/** `/_control`: the interface for scripts and tests. Pages of another site or port are rejected. */

const autoBody = z.strictObject({ upn: z.string().nullable() })
const newUserBody = z.strictObject({
  upn: z.string().regex(/^[^@\s]+@[^@\s]+$/),
  name: z.string().optional(),
  tid: z.string().optional(),
  oid: z.guid().optional(),
  password: z.string().optional(),
  mfa: z.enum(['none', 'authenticator']).optional(),
  roles: z.array(z.string()).optional(),
})
const keysBody = z.strictObject({ tid: z.string(), dropOld: z.boolean().optional() })
const appBody = z.strictObject({
  redirectUris: z.array(z.url()).optional(),
  logoutUrl: z.url().optional(),
  secrets: z.array(z.strictObject({ value: z.string(), expiresAt: z.int().optional() })).optional(),
  certificates: z.array(z.string()).optional(),
  assignmentRequired: z.boolean().optional(),
  graphRoles: z.array(z.string()).optional(),
  name: z.string().optional(),
})

export function controlRoom(site: Site): Hono {
  const { world } = site
  const app = new Hono()
  app.use('/_control/*', async (c, next) => {
    if (isForeign(c, world.origin) || !isHere(c, world))
      return c.json(
        { error: 'cross_site', message: 'A page of another site may not control the simulator.' },
        403,
      )
    c.header('Cache-Control', 'no-store')
    return next()
  })
  userControl(app, world)
  switchControl(app, world)
  tenantControl(app, site)
  return app
}

function userControl(app: Hono, world: World): void {
  app.get('/_control/users', (c) => c.json(world.users().map((user) => describeUser(world, user))))
  app.post('/_control/users', (c) => withBody(c, newUserBody, (body) => addUser(c, world, body)))
  app.get('/_control/users/:upn', (c) =>
    withUser(c, world, (user) => c.json(describeUser(world, user))),
  )
  app.post('/_control/users/:upn', (c) =>
    withUser(c, world, (user) =>
      withBody(c, userPatch, (patch) => {
        changeUser(world, user, patch)
        return c.json(describeUser(world, user))
      }),
    ),
  )
}

function switchControl(app: Hono, world: World): void {
  app.get('/_control/auto', (c) => c.json({ upn: world.auto }))
  app.post('/_control/auto', (c) =>
    withBody(c, autoBody, ({ upn }) => {
      if (upn !== null && upn !== '*' && !world.userOf(upn)) return unknownUser(c, upn)
      world.auto = upn
      return c.json({ upn })
    }),
  )
  app.get('/_control/switches', (c) => c.json(world.switches))
  app.post('/_control/switches', (c) =>
    withBody(c, switchesPatch, (patch) => {
      Object.assign(world.switches, patch)
      return c.json(world.switches)
    }),
  )
  app.delete('/_control/switches', (c) => {
    world.switches = structuredClone(DEFAULTS)
    return c.json(world.switches)
  })
}

/** Endpoints for a tenant's signing keys, and for the registered applications. */
function tenantControl(app: Hono, site: Site): void {
  app.post('/_control/keys', (c) =>
    withBody(c, keysBody, async ({ tid, dropOld }) => {
      const provider = await site.provider(tid)
      await provider.rotateKeys(dropOld ?? false)
      return c.json({ keys: provider.publicKeys().map((key) => key.kid) })
    }),
  )
  app.post('/_control/apps/:clientId', (c) =>
    withBody(c, appBody, (body) => {
      const found = site.world.apps.get(c.req.param('clientId') ?? '')
      if (!found)
        return c.json(
          {
            error: 'unknown_app',
            message: `There is no application ${c.req.param('clientId')}.`,
            known: [...site.world.apps.keys()],
          },
          404,
        )
      Object.assign(found, body)
      return c.json({ clientId: found.clientId, redirectUris: found.redirectUris })
    }),
  )
}

type Answer = Response | Promise<Response>

/**
 * Returns whether the request uses this machine's own host name. That rejects names that an
 * attacker made resolve to this machine.
 */
function isHere(c: Context, world: World): boolean {
  const { port } = new URL(world.origin)
  return [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`].includes(
    c.req.header('host') ?? '',
  )
}

async function withBody<T>(
  c: Context,
  schema: z.ZodType<T>,
  act: (body: T) => Answer,
): Promise<Response> {
  const text = await c.req.text()
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    return c.json({ error: 'no_json', message: 'The body has to be JSON.' }, 400)
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success)
    return c.json({ error: 'bad_body', message: z.prettifyError(parsed.error) }, 400)
  return act(parsed.data)
}

function withUser(c: Context, world: World, act: (user: User) => Answer): Answer {
  const upn = c.req.param('upn') ?? ''
  const user = world.userOf(upn)
  return user ? act(user) : unknownUser(c, upn)
}

const unknownUser = (c: Context, upn: string): Response =>
  c.json(
    {
      error: 'unknown_user',
      message: `There is no user ${upn.slice(0, 100)}. GET /_control/users lists all users.`,
    },
    404,
  )

function addUser(c: Context, world: World, body: z.infer<typeof newUserBody>): Response {
  if (world.userOf(body.upn))
    return c.json({ error: 'taken', message: `${body.upn} is there already.` }, 409)
  if (world.users().length >= 50_000)
    return c.json({ error: 'full', message: 'The simulator holds 50,000 users at most.' }, 409)
  const { upn, name, tid, oid, ...rest } = Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined),
  ) as typeof body
  const domain = upn.split('@')[1]!
  const user = world.addUser({
    ...(rest as Partial<User>),
    upn,
    name: name ?? upn.split('@')[0]!,
    tid: tid ?? world.tenant(domain)?.tid ?? CONTOSO.tid,
    oid: oid ?? crypto.randomUUID(),
    ...(rest.roles ? {} : { roles: ['CaseManager.User'] }),
    createdAt: world.clock.now(),
  })
  return c.json(describeUser(world, user), 201)
}

/** Returns everything about a user, with the password, which is made up. */
function describeUser(world: World, user: User): Record<string, unknown> {
  const {
    grantGeneration: _grant,
    browserGeneration: _browser,
    sessionsValidFrom,
    passwordChangedAt,
    createdAt: _created,
    ...rest
  } = user
  const iso = (seconds: number): string => new Date(seconds * 1000).toISOString()
  return {
    ...rest,
    tenant: world.tenant(user.tid)?.name,
    signInSessionsValidFromDateTime: iso(sessionsValidFrom),
    lastPasswordChangeDateTime: iso(passwordChangedAt),
  }
}
