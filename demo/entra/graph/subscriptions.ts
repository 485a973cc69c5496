import type { Context } from 'hono'
import { randomUUID } from 'node:crypto'
import type { Change, World } from '../world.ts'
import type { GraphCaller } from './app-token.ts'
import { graphError } from './graph-error.ts'
import { Notifier } from './notifier.ts'

/**
 * Change notifications on `/users`: the validation handshake, the limits, and the choice of
 * subscribers.
 */

interface Subscription {
  id: string
  tid: string
  clientId: string
  resource: string
  changeTypes: string[]
  notificationUrl: string
  lifecycleNotificationUrl: string | undefined
  clientState: string | undefined
  expiresAtMs: number
}

/** Returns what is wrong with a request, apart from its expiry. */
function problemOf(asked: {
  resource: string | undefined
  changeTypes: string[]
  notificationUrl: string | undefined
}): string | undefined {
  const { resource, changeTypes, notificationUrl } = asked
  if (resource !== 'users' && !/^users\/[0-9a-f-]{36}$/.test(resource ?? ''))
    return 'The simulator has subscriptions on users only.'
  if (!changeTypes.every((type) => ['created', 'updated', 'deleted'].includes(type)))
    return 'changeType has to be of created, updated, deleted.'
  if (!notificationUrl || !URL.canParse(notificationUrl))
    return 'notificationUrl is missing or no address.'
  return undefined
}

const MAX_MINUTES = 41_760
const MAX_PER_APP = 100

export class Subscriptions {
  readonly #world: World
  readonly #notifier: Notifier
  readonly #all = new Map<string, Subscription>()
  readonly #unfollow: () => void

  constructor(world: World) {
    this.#world = world
    this.#notifier = new Notifier(world)
    this.#unfollow = world.onChange((change) => this.#tell(change))
  }

  close(): void {
    this.#unfollow()
    this.#notifier.close()
  }

  /** Returns the live subscriptions, and deletes expired ones, as Graph does. */
  live(): Subscription[] {
    for (const subscription of this.#all.values())
      if (subscription.expiresAtMs <= this.#world.clock.nowMs()) this.#all.delete(subscription.id)
    return [...this.#all.values()]
  }

  /** Sends `reauthorizationRequired`, the only lifecycle notification of subscriptions on users. */
  askToReauthorize(): number {
    const asked = this.live().filter(
      (subscription) => subscription.lifecycleNotificationUrl !== undefined,
    )
    for (const subscription of asked) {
      this.#notifier.send(subscription.lifecycleNotificationUrl!, {
        value: [{ ...envelope(subscription), lifecycleEvent: 'reauthorizationRequired' }],
      })
    }
    return asked.length
  }

  /** Removes all subscriptions without a notification, so that a test can see them repaired. */
  lose(): number {
    const count = this.#all.size
    this.#all.clear()
    return count
  }

  list(c: Context, caller: GraphCaller): Response {
    return c.json({ value: this.#of(caller).map(toWire) })
  }

  async create(c: Context, caller: GraphCaller): Promise<Response> {
    const nowMs = this.#world.clock.nowMs()
    const body = await readJson(c)
    const resource = text(body['resource'])?.replace(/^\//, '')
    const notificationUrl = text(body['notificationUrl'])
    const changeTypes = (text(body['changeType']) ?? '').split(',').map((type) => type.trim())
    const expiresAtMs = Date.parse(text(body['expirationDateTime']) ?? '')
    const lifecycleNotificationUrl = text(body['lifecycleNotificationUrl'])
    const problem = problemOf({ resource, changeTypes, notificationUrl })
    if (problem !== undefined || !notificationUrl)
      return graphError(c, 400, 'InvalidRequest', problem ?? '', nowMs)
    const late = this.#checkExpiry(c, expiresAtMs)
    if (late) return late
    if (this.#of(caller).length >= MAX_PER_APP)
      return graphError(
        c,
        403,
        'ExtensionError',
        `Subscription quota of ${MAX_PER_APP} per application and tenant is exceeded.`,
        nowMs,
      )
    const proved =
      (await this.#notifier.validate(notificationUrl)) &&
      (!lifecycleNotificationUrl || (await this.#notifier.validate(lifecycleNotificationUrl)))
    if (!proved)
      return graphError(
        c,
        400,
        'ValidationError',
        'Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request, with the token as text/plain, within 10 seconds.',
        nowMs,
      )
    const subscription: Subscription = {
      id: randomUUID(),
      tid: caller.tid,
      clientId: caller.clientId,
      resource: resource!,
      changeTypes,
      notificationUrl,
      lifecycleNotificationUrl,
      clientState: text(body['clientState']),
      expiresAtMs,
    }
    this.#all.set(subscription.id, subscription)
    return c.json(
      {
        '@odata.context': `${this.#world.origin}/graph/v1.0/$metadata#subscriptions/$entity`,
        ...toWire(subscription),
      },
      201,
    )
  }

  show(c: Context, caller: GraphCaller): Response {
    const subscription = this.#find(c, caller)
    return subscription ? c.json(toWire(subscription)) : this.#missing(c)
  }

  async renew(c: Context, caller: GraphCaller): Promise<Response> {
    const subscription = this.#find(c, caller)
    if (!subscription) return this.#missing(c)
    const expiresAtMs = Date.parse(text((await readJson(c))['expirationDateTime']) ?? '')
    const late = this.#checkExpiry(c, expiresAtMs)
    if (late) return late
    subscription.expiresAtMs = expiresAtMs
    return c.json(toWire(subscription))
  }

  remove(c: Context, caller: GraphCaller): Response {
    const subscription = this.#find(c, caller)
    if (!subscription) return this.#missing(c)
    this.#all.delete(subscription.id)
    return c.body(null, 204)
  }

  #of(caller: GraphCaller): Subscription[] {
    return this.live().filter(
      (subscription) =>
        subscription.tid === caller.tid && subscription.clientId === caller.clientId,
    )
  }

  #find(c: Context, caller: GraphCaller): Subscription | undefined {
    return this.#of(caller).find((subscription) => subscription.id === c.req.param('id'))
  }

  #missing(c: Context): Response {
    return graphError(
      c,
      404,
      'ResourceNotFound',
      'The object was not found.',
      this.#world.clock.nowMs(),
    )
  }

  #checkExpiry(c: Context, expiresAtMs: number): Response | undefined {
    const nowMs = this.#world.clock.nowMs()
    if (Number.isNaN(expiresAtMs) || expiresAtMs <= nowMs)
      return graphError(
        c,
        400,
        'InvalidRequest',
        'expirationDateTime is missing or in the past.',
        nowMs,
      )
    if (expiresAtMs > nowMs + MAX_MINUTES * 60_000 + 60_000)
      return graphError(
        c,
        400,
        'InvalidRequest',
        `Subscription expiration can only be ${MAX_MINUTES} minutes in the future.`,
        nowMs,
      )
    return undefined
  }

  #tell(change: Change): void {
    const { duplicateNotifications, dropNotifications } = this.#world.switches
    if (dropNotifications) return
    for (const subscription of this.live()) {
      const concerned =
        subscription.tid === change.tid &&
        subscription.changeTypes.includes(change.kind) &&
        (subscription.resource === 'users' || subscription.resource === `users/${change.oid}`)
      if (!concerned) continue
      const body = {
        value: [
          {
            ...envelope(subscription),
            changeType: change.kind,
            resource: `Users/${change.oid}`,
            resourceData: {
              '@odata.type': '#Microsoft.Graph.User',
              '@odata.id': `Users/${change.oid}`,
              id: change.oid,
              organizationId: change.tid,
              sequenceNumber: change.seq,
            },
          },
        ],
      }
      for (let i = duplicateNotifications ? 2 : 1; i > 0; i--)
        this.#notifier.send(subscription.notificationUrl, body)
    }
  }
}

function envelope(subscription: Subscription): Record<string, unknown> {
  return {
    subscriptionId: subscription.id,
    subscriptionExpirationDateTime: new Date(subscription.expiresAtMs).toISOString(),
    tenantId: subscription.tid,
    ...(subscription.clientState === undefined ? {} : { clientState: subscription.clientState }),
  }
}

/** Returns a subscription in Graph's form, without `clientState`, which is never returned again. */
function toWire(subscription: Subscription): Record<string, unknown> {
  return {
    id: subscription.id,
    resource: subscription.resource,
    applicationId: subscription.clientId,
    changeType: subscription.changeTypes.join(','),
    clientState: null,
    notificationUrl: subscription.notificationUrl,
    lifecycleNotificationUrl: subscription.lifecycleNotificationUrl ?? null,
    expirationDateTime: new Date(subscription.expiresAtMs).toISOString(),
    latestSupportedTlsVersion: 'v1_2',
  }
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined

async function readJson(c: Context): Promise<Record<string, unknown>> {
  try {
    const body: unknown = await c.req.json()
    return typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}
