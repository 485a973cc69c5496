import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import type { Server as HttpServer } from 'node:http'
import type { Clock } from '../../src/deps.ts'
import { adminRoom } from './admin.tsx'
import { authorizeRoom } from './authorize.tsx'
import { controlRoom } from './control.ts'
import { discoveryRoom } from './discovery.ts'
import { graphRoom } from './graph/graph.ts'
import { Subscriptions } from './graph/subscriptions.ts'
import { logoutRoom } from './logout.tsx'
import type { AppSeed, PersonSeed, Tenant } from './people.ts'
import { Site } from './site.ts'
import { tokenRoom } from './token.ts'
import { World } from './world.ts'

/** A stand-in for Microsoft Entra ID and the few calls of Microsoft Graph that the broker makes, over plain HTTP on this machine alone. */

export interface EntraOptions {
  /** 0: picked by the system. */
  port: number
  host?: string
  tenants?: readonly Tenant[]
  people?: readonly PersonSeed[]
  apps?: readonly AppSeed[]
  clock?: Clock
}

export interface Entra {
  origin: string
  /** What `BROKER_ENTRA_AUTHORITY` names. */
  authority: string
  world: World
  site: Site
  subscriptions: Subscriptions
  close(): Promise<void>
}

export async function startEntra(options: EntraOptions): Promise<Entra> {
  const app = new Hono()
  const server = createAdaptorServer({ fetch: app.fetch }) as HttpServer
  server.listen(options.port, options.host ?? '127.0.0.1')
  await once(server as Server, 'listening')
  const origin = `http://localhost:${(server.address() as AddressInfo).port}`
  const world = new World({ origin, tenants: options.tenants, people: options.people, apps: options.apps, clock: options.clock })
  const site = new Site(world)
  const subscriptions = new Subscriptions(world)
  for (const room of [controlRoom(site, subscriptions), adminRoom(site), graphRoom(site, subscriptions), discoveryRoom(site), tokenRoom(site), logoutRoom(site), authorizeRoom(site)]) app.route('/', room)
  return {
    origin, authority: origin, world, site, subscriptions,
    close: () => new Promise((resolve) => {
      subscriptions.close()
      server.close(() => resolve())
      server.closeAllConnections()
    }),
  }
}
