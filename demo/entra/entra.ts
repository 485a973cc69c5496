import { createAdaptorServer } from '@hono/node-server'
import { Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import type { Server as HttpServer } from 'node:http'
import type { Clock } from '../../src/runtime/clock.ts'
import { EntraError } from './aadsts.ts'
import { adminRoom } from './admin.tsx'
import { authorizeRoom } from './authorize.tsx'
import { controlRoom } from './control.ts'
import { discoveryEndpoints } from './discovery.ts'
import { graphRoom } from './graph/graph.ts'
import { Subscriptions } from './graph/subscriptions.ts'
import { logoutEndpoints } from './logout.tsx'
import type { AppSeed, UserSeed, Tenant } from './users.ts'
import { changeUser, type UserPatch } from './user-acts.ts'
import { Site } from './site.ts'
import type { Switches } from './switches.ts'
import { tokenEndpoints } from './token.ts'
import { World } from './world.ts'

/**
 * A simulator of Microsoft Entra ID, and of the few calls of Microsoft Graph that the broker makes,
 * over plain HTTP on this machine only.
 */

const MAX_BODY = 1024 * 1024

export interface EntraOptions {
  /** The port; 0: chosen by the system. */
  port: number
  host?: string
  /** The address of a proxy in front of it; the default is its own address. */
  origin?: string
  tenants?: readonly Tenant[]
  users?: readonly UserSeed[]
  apps?: readonly AppSeed[]
  clock?: Clock
  /** Called with internal errors, which are not printed. */
  onError?: (error: unknown) => void
}

export interface Entra {
  origin: string
  /** The value for `BROKER_ENTRA_AUTHORITY`. */
  authority: string
  /**
   * Sets the user as whom every authorization completes without pages; `*`: the one that
   * `login_hint` names; null: pages again.
   */
  auto(upn: string | null): void
  /** Changes a user, like `POST /_control/users/{upn}`. */
  change(upn: string, patch: UserPatch): void
  /** Sets switches, like `POST /_control/switches`. */
  set(switches: Partial<Switches>): void
  /** Adds a signing key to a tenant. The old ones stay published unless dropped. */
  rotateKeys(tid: string, dropOld?: boolean): Promise<void>
  world: World
  site: Site
  subscriptions: Subscriptions
  close(): Promise<void>
}

/** Sends the simulator's own clock in the Date header (RFC 9110 §6.6.1). */
const ownDate =
  (world: World): MiddlewareHandler =>
  async (c, next) => {
    await next()
    c.header('Date', new Date(world.now() * 1000).toUTCString())
  }

export async function startEntra(options: EntraOptions): Promise<Entra> {
  const app = new Hono()
  app.use(bodyLimit({ maxSize: MAX_BODY }))
  app.onError((error, c) => {
    options.onError?.(error)
    return c.json(new EntraError(90033).body(Date.now()), 500)
  })
  const server = createAdaptorServer({ fetch: app.fetch }) as HttpServer
  server.listen(options.port, options.host ?? '127.0.0.1')
  await once(server as Server, 'listening')
  const origin = options.origin ?? `http://localhost:${(server.address() as AddressInfo).port}`
  const world = new World({
    origin,
    tenants: options.tenants,
    users: options.users,
    apps: options.apps,
    clock: options.clock,
  })
  const site = new Site(world)
  const subscriptions = new Subscriptions(world)
  app.use(ownDate(world))
  for (const room of [
    controlRoom(site),
    adminRoom(site),
    graphRoom(site, subscriptions),
    discoveryEndpoints(site),
    tokenEndpoints(site),
    logoutEndpoints(site),
    authorizeRoom(site),
  ])
    app.route('/', room)
  return {
    origin,
    authority: origin,
    world,
    site,
    subscriptions,
    ...controlsOf(world, site),
    close: () =>
      new Promise((resolve) => {
        subscriptions.close()
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** Returns the controls of the simulated Microsoft for tests and the demo, without HTTP. */
const controlsOf = (
  world: World,
  site: Site,
): Pick<Entra, 'auto' | 'change' | 'set' | 'rotateKeys'> => ({
  auto: (upn) => {
    world.auto = upn
  },
  change: (upn, patch) => {
    const user = world.userOf(upn)
    if (!user) throw new Error(`There is no user ${upn}.`)
    changeUser(world, user, patch)
  },
  set: (switches) => {
    Object.assign(world.switches, switches)
  },
  rotateKeys: async (tid, dropOld = false) => (await site.provider(tid)).rotateKeys(dropOld),
})
