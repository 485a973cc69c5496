import type { DatabaseFacts, Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import type { Examination } from '../../microsoft/interface.ts'
import { type Finding, type Found, message } from './finding.ts'

/** One check: its cost, severity and function. `list.ts` has all checks. */
export interface Check {
  /** The label `check` of broker_check_findings. It never changes. */
  id: string
  /**
   * Default: the check is cheap and runs each time. `everySeconds`: the result is kept, because the
   * check calls another system; with `background` only `cmb doctor` waits for a slow one.
   * `on_demand`: runs only for `cmb doctor`, because its cost grows with the number of clients.
   */
  cost?: 'on_demand' | { everySeconds: number; background?: true }
  /**
   * The alert of a failure: one that pages, or one that files a ticket. A check without it warns at
   * most.
   */
  severity?: 'page' | 'ticket'
  /** True if a warning files a ticket too. Default: it is a note, with no alert. */
  warnsByTicket?: boolean
  /** The part of the broker that is down when the check fails. */
  part?: 'store' | 'queue' | 'microsoft'
  /**
   * True if findings name clients, users or hosts. /readyz, which needs no authentication, leaves
   * them out.
   */
  names?: true
  look?: Look
  /** Looks at each tenant. */
  ofTenant?: OfTenant
}
/** The findings of a look; undefined if there is nothing to say. */
export type Looked = Found | readonly Found[] | undefined
export type Look = (context: CheckContext) => Looked | Promise<Looked>
type OfTenant = (context: CheckContext, tenant: Tenant) => Looked | Promise<Looked>

/** Returns how urgent a finding is. Everything that reports or alerts follows from it. */
export const urgencyOf = (
  { severity, warnsByTicket = false }: Pick<Check, 'severity' | 'warnsByTicket'>,
  state: Finding['state'],
): Finding['urgency'] => {
  if (state === 'failed') return severity === 'page' ? 'now' : 'today'
  if (state === 'warning') return warnsByTicket ? 'today' : 'note'
  return undefined
}

/** Carries out a check. */
export const lookOf = async (
  { look, ofTenant }: Check,
  context: CheckContext,
): Promise<Found[]> => [
  ...listOf(await look?.(context)),
  ...(ofTenant === undefined ? [] : await eachTenant(context, ofTenant)),
]

const listOf = (looked: Looked): readonly Found[] => (looked === undefined ? [] : [looked].flat())

export const nameOf = ({ name, tid }: Pick<Tenant, 'name' | 'tid'>): string => name ?? tid

export async function eachTenant(context: CheckContext, look: OfTenant): Promise<Found[]> {
  const found = await Promise.all(
    (await context.tenants()).map(async (row) =>
      listOf(await look(context, row)).map((finding) => ({
        about: `tenant ${nameOf(row)}`,
        tid: row.tid,
        ...finding,
      })),
    ),
  )
  return found.flat()
}

/** Data that the checks of one run share, each read once. */
export interface CheckContext {
  deps: Deps
  now: number
  /** How long this process has run. */
  upSeconds: number
  /** Returns the connected tenants. */
  tenants(): Promise<Tenant[]>
  /** Returns why the database cannot commit; undefined if it can. */
  storeProblem(): Promise<string | undefined>
  /** Returns facts about the Postgres database; undefined with SQLite. */
  databaseFacts(): Promise<DatabaseFacts | undefined>
  /** Asks Microsoft about a tenant's connection now. */
  examine(tid: string): Promise<Examination>
}

export function contextOf(deps: Deps, startedMs: number): CheckContext {
  let rows: Promise<Tenant[]> | undefined
  let facts: Promise<DatabaseFacts | undefined> | undefined
  let probed: Promise<string | undefined> | undefined
  const asked = new Map<string, Promise<Examination>>()
  return {
    deps,
    now: deps.clock.now(),
    upSeconds: (deps.clock.steadyMs() - startedMs) / 1000,
    tenants: () =>
      (rows ??= deps.store
        .listTenants()
        .then((all) => all.filter((row) => row.removedAt === undefined))),
    storeProblem: () => (probed ??= deps.store.probe().then(() => undefined, message)),
    databaseFacts: () => (facts ??= deps.store.databaseFacts()),
    examine(tid) {
      const running = asked.get(tid) ?? deps.microsoft.examine(tid)
      asked.set(tid, running)
      return running
    },
  }
}
