import type { MicrosoftWork } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { resealed } from '../../keys/resealed.ts'
import type { Tenants } from '../../config/config.ts'

/**
 * Maintains the one subscription of a tenant to `/users`: creates it, renews it long before it
 * expires, creates it again when it is lost, and reads all changes after any gap. There is never a
 * second one, and a missing notification never counts as proof that nothing changed.
 */

/** The lifetime of a subscription. Graph allows at most 41,760 minutes. */
const LIFE_SECONDS = 41_000 * 60
/** The interval of renewals. They are also how a lost subscription is noticed. */
const RENEW_SECONDS = 600
const RECONCILE_SECONDS = 3600
const MOST_PAGES = 10_000

type SubscriptionDeps = Pick<
  Deps,
  'config' | 'clock' | 'random' | 'log' | 'metrics' | 'store' | 'sealer' | 'microsoft'
>

/** Returns whether an interval is over. A start in the future was written by a wrong clock. */
const isOver = (start: number, seconds: number, now: number): boolean =>
  now < start || now - start >= seconds

interface Kept {
  id: string
  until: number
  renewedAt: number
}

const setting = (
  tid: string,
  name: 'subscription' | 'client_state' | 'delta' | 'reconciled_at',
): string => `graph/${tid}/${name}`

/**
 * Returns the `clientState` that this tenant's notifications must contain. Undefined before the
 * first subscription was requested.
 */
export async function clientStateOf(
  { store, sealer }: Pick<Deps, 'store' | 'sealer'>,
  tid: string,
): Promise<string | undefined> {
  const name = setting(tid, 'client_state')
  const sealed = await store.setting(name)
  return sealed === undefined
    ? undefined
    : sealer.open(`settings/${name}`, sealed)?.toString('utf8')
}

async function newClientState(
  { store, sealer, random }: SubscriptionDeps,
  tid: string,
): Promise<string> {
  const name = setting(tid, 'client_state')
  const value = random(32).toString('base64url')
  await store.setSetting(name, sealer.seal(`settings/${name}`, value))
  return value
}

/**
 * Renews the subscription if due and reads missed changes. `why`: `timer`, `start` of this process
 * (changes may have been missed), or an event of Graph's lifecycle notification.
 * @throws GraphProblem
 */
export async function tendSubscription(
  deps: SubscriptionDeps,
  tid: string,
  why: string,
): Promise<void> {
  const now = deps.clock.now()
  const text = await deps.store.setting(setting(tid, 'subscription'))
  const kept =
    text === undefined || why === 'subscriptionRemoved' ? undefined : (JSON.parse(text) as Kept)
  const made =
    kept === undefined ? await make(deps, tid, now) : await renewIfDue(deps, tid, kept, why, now)
  const last = Number((await deps.store.setting(setting(tid, 'reconciled_at'))) ?? 0)
  if (made || why === 'start' || why === 'missed' || isOver(last, RECONCILE_SECONDS, now))
    await reconcile(deps, tid)
}

/**
 * Renews the subscription if it is due.
 * @returns whether it had to be created again
 */
async function renewIfDue(
  deps: SubscriptionDeps,
  tid: string,
  kept: Kept,
  why: string,
  now: number,
): Promise<boolean> {
  // If `clientState` was sealed with a removed secret, it cannot be read, and no notification could
  // be verified.
  const readable =
    why === 'start'
      ? await resealed(deps, setting(tid, 'client_state'))
      : (await clientStateOf(deps, tid)) !== undefined
  if (!readable) return lost(deps, tid, now)
  if (why === 'timer' && !isOver(kept.renewedAt, RENEW_SECONDS, now)) return false
  const renewed = await deps.microsoft.graph.renewSubscription(tid, kept.id, now + LIFE_SECONDS)
  if (renewed === undefined) return lost(deps, tid, now)
  await keep(deps, tid, renewed, now)
  return false
}

function lost(deps: SubscriptionDeps, tid: string, now: number): Promise<true> {
  deps.log.warn('graph_subscription_lost', {
    tid,
    next: 'None: the broker makes it again and reads the changes that it missed.',
  })
  return make(deps, tid, now)
}

async function make(deps: SubscriptionDeps, tid: string, now: number): Promise<true> {
  const { graph } = deps.microsoft
  const address = `${deps.config.issuer}/signal/microsoft/graph`
  const former = await graph.subscriptions(tid, address)
  // New for each subscription. Saved first, because the first notification may arrive before the
  // answer.
  const clientState = await newClientState(deps, tid)
  const made = await graph.subscribe(tid, { address, clientState, until: now + LIFE_SECONDS })
  await keep(deps, tid, made, now)
  deps.log.info('graph_subscription_made', {
    tid,
    until: new Date(made.until * 1000).toISOString(),
  })
  deps.metrics.signals.inc({ kind: 'graph_subscription', outcome: 'made' })
  for (const { id } of former) await graph.unsubscribe(tid, id)
  return true
}

const keep = (
  deps: SubscriptionDeps,
  tid: string,
  { id, until }: { id: string; until: number },
  now: number,
): Promise<void> =>
  deps.store.setSetting(
    setting(tid, 'subscription'),
    JSON.stringify({ id, until, renewedAt: now } satisfies Kept),
  )

/**
 * Requests a check of the users who changed since the last time or, if that is unknown, of every
 * user who is signed in.
 */
async function reconcile(deps: SubscriptionDeps, tid: string): Promise<void> {
  const { store, clock } = deps
  const { graph } = deps.microsoft
  let link = await store.setting(setting(tid, 'delta'))
  let asked = 0
  for (let page = 0; link !== undefined && page < MOST_PAGES; page++) {
    const changes = await graph.changes(tid, link)
    if (changes.outcome === 'lost') {
      link = undefined
      break
    }
    asked += await ask(deps, tid, changes.oids)
    // The link is saved after each page, so that the next process continues there.
    const further = changes.next ?? changes.link
    if (further !== undefined) await store.setSetting(setting(tid, 'delta'), further)
    if (changes.next === undefined) break
    link = changes.next
  }
  if (link === undefined) {
    // The new link is read before all users are requested, so that no change in between is missed.
    await store.setSetting(setting(tid, 'delta'), await graph.deltaFromNow(tid))
    asked = await store.askAboutEverybody({ tid, now: clock.now(), nowMs: clock.nowMs() })
  }
  await store.setSetting(setting(tid, 'reconciled_at'), String(clock.now()))
  deps.metrics.signals.inc({ kind: 'graph_delta', outcome: 'reconciled' })
  if (asked > 0) deps.log.info('graph_reconciled', { tid, asked })
}

async function ask(
  { store, clock }: SubscriptionDeps,
  tid: string,
  oids: readonly string[],
): Promise<number> {
  const work: MicrosoftWork[] = []
  for (const oid of oids)
    if ((await store.findSubjectByUser(tid, oid)) !== undefined)
      work.push({ kind: 'check_user', tid, oid })
  if (work.length > 0) await store.askMicrosoft(work, clock.nowMs())
  return work.length
}

/** Returns the connected tenants among those of a setting. */
export function chosen(
  which: Tenants,
  { connection }: Pick<Deps, 'connection'>,
): readonly string[] {
  const { tenants } = connection.current()
  return which === 'all' ? tenants : tenants.filter((tid) => which.includes(tid))
}

export const graphTenants = (deps: Pick<Deps, 'config' | 'connection'>): readonly string[] =>
  chosen(deps.config.signals.graph.tenants, deps)
