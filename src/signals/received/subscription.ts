import type { MicrosoftWork } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { resealed } from '../../keys/resealed.ts'
import type { Tenants } from '../../config/config.ts'

/**
 * The one subscription of a tenant on `/users`: made, renewed long before its end, made again when
 * it is lost; and after any gap the list of who has changed meanwhile. It refuses to have two, and
 * to take a notification's absence for a sign that nothing happened.
 */

/** 41,760 minutes are the most that Graph gives. */
const LIFE_SECONDS = 41_000 * 60
/** Renewing is also how it is noticed that it was lost. */
const RENEW_SECONDS = 600
const RECONCILE_SECONDS = 3600
const MOST_PAGES = 10_000

type SubscriptionDeps = Pick<
  Deps,
  'config' | 'clock' | 'random' | 'log' | 'metrics' | 'store' | 'sealer' | 'microsoft'
>

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
 * What notifications of this tenant have to bring. Undefined until the first subscription was asked
 * for.
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
 * Looks after it. `why`: a timer, the start of this process (something may have been missed), or
 * what Graph's lifecycle notification said.
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
  if (made || why === 'start' || why === 'missed' || now - last >= RECONCILE_SECONDS)
    await reconcile(deps, tid)
}

/** @returns whether it had to be made again */
async function renewIfDue(
  deps: SubscriptionDeps,
  tid: string,
  kept: Kept,
  why: string,
  now: number,
): Promise<boolean> {
  // What was sealed under a secret that is gone cannot be read: no notification could be believed.
  const readable =
    why === 'start'
      ? await resealed(deps, setting(tid, 'client_state'))
      : (await clientStateOf(deps, tid)) !== undefined
  if (!readable) return lost(deps, tid, now)
  if (why === 'timer' && now - kept.renewedAt < RENEW_SECONDS) return false
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
  // New with each subscription; kept first, for the first notification may come before the answer.
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
 * Asks about the users who changed since the last notification; if that is unknown, about every
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
    // Each page's end is kept, so that a process that ends here goes on there.
    const further = changes.next ?? changes.link
    if (further !== undefined) await store.setSetting(setting(tid, 'delta'), further)
    if (changes.next === undefined) break
    link = changes.next
  }
  if (link === undefined) {
    // First subscribe, then ask about every user: no change is missed in between.
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

/** The connected tenants among those that a setting names. */
export function chosen(
  which: Tenants,
  { connection }: Pick<Deps, 'connection'>,
): readonly string[] {
  const { tenants } = connection.current()
  return which === 'all' ? tenants : tenants.filter((tid) => which.includes(tid))
}

export const graphTenants = (deps: Pick<Deps, 'config' | 'connection'>): readonly string[] =>
  chosen(deps.config.signals.graph.tenants, deps)
