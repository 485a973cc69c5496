import type { Context } from 'hono'
import { getCookie, setCookie } from 'hono/cookie'
import { randomUUID } from 'node:crypto'
import { EntraError } from './aadsts.ts'
import { BoundedMap } from './bounded.ts'
import { BROWSER_COOKIE, Browsers, type Browser } from './browser.ts'
import type { Flow } from './flow.ts'
import type { Area } from './switches.ts'
import { TenantProvider } from './tenant-provider.ts'
import type { World } from './world.ts'

/**
 * The state that the simulator's modules share: the world, its browsers, the flows under way and
 * one provider for each tenant.
 */

const MAX_FLOWS = 20_000
const FLOW_MS = 30 * 60_000
const KMSI_SECONDS = 90 * 86_400

export class Site {
  readonly world: World
  readonly browsers = new Browsers()
  readonly flows = new BoundedMap<string, Flow>(MAX_FLOWS)
  readonly #providers = new Map<string, Promise<TenantProvider>>()

  constructor(world: World) {
    this.world = world
  }

  /** Returns a tenant's provider, which is made at its first use, because a key pair takes time. */
  provider(tid: string): Promise<TenantProvider> {
    const known = this.#providers.get(tid)
    if (known) return known
    const tenant = this.world.tenant(tid)
    if (!tenant) return Promise.reject(new EntraError(90002))
    const opening = TenantProvider.open(this.world, tenant)
    this.#providers.set(tid, opening)
    return opening
  }

  /** Returns the providers that exist so far. */
  providers(): Promise<TenantProvider[]> {
    return Promise.all(this.#providers.values())
  }

  keepFlow(flow: Flow): void {
    this.flows.set(flow.id, flow, FLOW_MS)
  }

  browserOf(c: Context): Browser {
    return this.browsers.find(getCookie(c, BROWSER_COOKIE)) ?? this.browsers.open()
  }

  /** Sets a session cookie, or one of 90 days after "Stay signed in? Yes". */
  sendBrowser(c: Context, browser: Browser): void {
    setCookie(c, BROWSER_COOKIE, browser.id, {
      httpOnly: true,
      sameSite: 'Lax',
      path: '/',
      ...(browser.persistent ? { maxAge: KMSI_SECONDS } : {}),
    })
  }

  /**
   * Applies the latency, outage and throttling of one area. Returns an answer where the area is not
   * available.
   */
  async trouble(area: Area): Promise<{ error: EntraError; retryAfter?: string } | undefined> {
    const { switches } = this.world
    const wait = switches.latencyMs[area]
    if (wait) await new Promise((resolve) => setTimeout(resolve, wait))
    if (this.world.down(area)) return { error: new EntraError(90033) }
    if (switches.throttle?.areas.includes(area))
      return {
        error: new EntraError(90055),
        retryAfter: String(switches.throttle.retryAfterSeconds),
      }
    return undefined
  }
}

/**
 * Returns whether a request comes from another site or another port of this machine, which must not
 * submit the simulator's forms.
 */
export function isForeign(c: Context, origin: string): boolean {
  const from = c.req.header('origin')
  if (from !== undefined && from !== origin) return true
  const site = c.req.header('sec-fetch-site')
  return site !== undefined && site !== 'same-origin' && site !== 'none'
}

export const correlationOf = (c: Context): string =>
  c.req.query('client-request-id') ?? c.req.header('client-request-id') ?? randomUUID()
