import type { GuardRecord } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { jwksUriIn, keySource } from '../../clients/client-keys.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import {
  guardHealthOf,
  healthOf,
  type InstanceHealth,
  type InstanceNow,
  instancesNow,
  isWatched,
  type Trouble,
} from '../acts/instances.ts'
import type { Check, CheckContext } from './check.ts'
import { lastLoss } from '../../revocation/feed-wire.ts'
import { type Failure, failureOf } from '../../outbox/attempt.ts'
import { at, eachInTurn, failed, type Found, ok, unknown, warning } from './finding.ts'
import { FIX, HELP, REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/**
 * Checks of clients: undelivered messages, and whether the broker reaches their addresses. It sends
 * a GET without a token, which ends nothing; any status below 500 is fine.
 */
export const clientChecks: readonly Check[] = [
  {
    id: 'instances',
    cost: { everySeconds: 5 },
    severity: 'page',
    warnsByTicket: true,
    names: true,
    look: instances,
  },
  {
    id: 'guards',
    severity: 'page',
    warnsByTicket: true,
    names: true,
    look: guardsHeard,
  },
  {
    id: 'unreached',
    warnsByTicket: true,
    names: true,
    look: unreached,
  },
  {
    id: 'log-lost',
    severity: 'page',
    names: true,
    look: logLost,
  },
  {
    id: 'clients',
    cost: 'on_demand',
    severity: 'ticket',
    look: addresses,
  },
  {
    id: 'weak-registrations',
    warnsByTicket: true,
    names: true,
    look: weakRegistrations,
  },
  {
    id: 'feed-streams',
    warnsByTicket: true,
    names: true,
    look: feedStreams,
  },
  {
    id: 'guard-leases',
    warnsByTicket: true,
    names: true,
    look: guardLeases,
  },
]

/** Warns about members of a registration that give up a protection, for libraries without it. */
function weakRegistrations({ deps }: CheckContext): Found[] {
  return deps.clients.list().flatMap(({ clientId, metadata }) => {
    const about = { about: `client ${clientId}` }
    return [
      ...(metadata.requirePkce ? [] : [warning(FOUND.without_pkce, REMEDY.without_pkce, about)]),
      ...(metadata.assertionAudience === undefined
        ? []
        : [warning(FOUND.assertion_audience, REMEDY.assertion_audience, about)]),
    ]
  })
}

/** How long after its start the broker says nothing of guards: they connect again meanwhile. */
const SETTLED_SECONDS = 60
/**
 * How long it is urgent that an instance has no guard that is heard. Later it was switched off for
 * good.
 */
const URGENT_MS = 6 * 3_600_000

async function guardsHeard({ deps, upSeconds }: CheckContext): Promise<Found[]> {
  const all = (await instancesNow(deps)).filter(({ registered }) => registered)
  const count = all.flatMap(({ guards }) => guards).length
  if (count > 0 && upSeconds < SETTLED_SECONDS) return [unknown(FOUND.guards_return)]
  return [
    ...all.flatMap((instance) => silenceOf(instance, deps.clock.nowMs())),
    ok(`${count} guards are known.`),
  ]
}

function silenceOf({ clientId, name, guards, tokenSeconds }: InstanceNow, nowMs: number): Found[] {
  const { trouble, why } = guardHealthOf({ guards }) ?? {}
  if (trouble === undefined) return []
  const unheard = guards
    .filter((guard) => (trouble === 'silent' ? guard.silent : !guard.heard))
    .toSorted((a, b) => (b.reportedAtMs ?? 0) - (a.reportedAtMs ?? 0))
  const named = unheard
    .slice(0, NAMED)
    .map(({ guardId, reportedAtMs }) =>
      reportedAtMs === undefined
        ? `${guardId} never`
        : `${guardId} since ${at(reportedAtMs / 1000)}`,
    )
  const more = unheard.length > NAMED ? ` and ${unheard.length - NAMED} more` : ''
  const policies = new Set(unheard.map(({ withoutLease }) => withoutLease))
  const [policy] = policies.size === 1 ? policies : []
  const sinceMs = unheard[0]?.reportedAtMs
  const isUrgent = trouble === 'unguarded' && nowMs - (sinceMs ?? nowMs) < URGENT_MS
  const [fix, runbook] = HELP[trouble]
  return [
    {
      ...(isUrgent ? failed : warning)(
        [
          `${name} ${why ?? ''}. Not heard: ${named.join(', ')}${more}.`,
          policy === undefined ? '' : FOUND.without_lease[policy],
          tokenSeconds === 0 || guards.some(({ connected }) => connected)
            ? ''
            : FOUND.accepts(guards, tokenSeconds),
        ].join(''),
        fix,
        { about: `client ${clientId}`, runbook },
      ),
      ...(sinceMs !== undefined && { since_ms: sinceMs }),
    },
  ]
}

/** Milliseconds for which the check warns about a lease that ran out. */
const RAN_OUT_MS = 3_600_000

/** Upper bound of the guards that a finding names. */
const NAMED = 5

async function guardLeases({ deps }: CheckContext): Promise<Found[]> {
  const sinceMs = deps.clock.nowMs() - RAN_OUT_MS
  const reports = await deps.store.guardReports()
  const found = (isOne: (guard: GuardRecord) => unknown, what: string, fix: string): Found[] =>
    [...Map.groupBy(reports.filter(isOne), ({ clientId }) => clientId)].map(
      ([clientId, guards]) => {
        const names = guards.slice(0, NAMED).map(({ guardId }) => guardId)
        const more = guards.length > NAMED ? ` and ${guards.length - NAMED} more` : ''
        return warning(`${what}: ${names.join(', ')}${more}.`, fix, { about: `client ${clientId}` })
      },
    )
  return [
    ...found(
      ({ leaseRanOutAtMs = 0 }) => leaseRanOutAtMs > sinceMs,
      'Leases ran out within the last hour',
      REMEDY.leases_ran_out,
    ),
    ...found(
      ({ clockDriftPpm, reportedAtMs }) => clockDriftPpm && reportedAtMs > sinceMs,
      FOUND.clock_drift,
      REMEDY.clock_drift,
    ),
    ok(`${reports.length} guards have reported.`),
  ]
}

/** Share of the allowed streams from which the check warns, before a guard is rejected. */
const NEARLY_FULL = 0.9

function feedStreams({ deps: { config, feed } }: CheckContext): Found[] {
  const { ofClient, inAll } = config.feedStreams
  const streams = feed.streams()
  const found = `${streams.length} of at most ${inAll} feed streams are open at this broker.`
  return [
    ...[...Map.groupBy(streams, ({ clientId }) => clientId)]
      .filter(([, { length }]) => length >= NEARLY_FULL * ofClient)
      .map(([clientId, { length }]) =>
        warning(
          `It holds ${length} of at most ${ofClient} feed streams open at this broker.`,
          REMEDY.streams_of_client,
          { about: `client ${clientId}` },
        ),
      ),
    streams.length < NEARLY_FULL * inAll ? ok(found) : warning(found, REMEDY.streams),
  ]
}

const TIMEOUT_MS = 3_000
const AT_ONCE = 8

/** Warns about instances that learn of no revocation. */
async function unreached({ deps }: CheckContext): Promise<Found[]> {
  const all = (await instancesNow(deps)).filter((instance) => instance.unreached)
  return all.map((instance) =>
    problemWith(instance, { ...healthOf(instance), trouble: 'unreached' }),
  )
}

/** How long a guard that was ahead of the log is reported. */
const LOST_SECONDS = 3600

async function logLost({ deps, now }: CheckContext): Promise<Found> {
  const loss = await lastLoss(deps.store)
  if (loss === undefined || now - loss.at > LOST_SECONDS) return ok(FOUND.nothing_lost)
  const { clientId, guardId, seq, head, at: lostAt } = loss
  return failed(FOUND.log_lost(guardId, seq, head), REMEDY.log_lost, {
    about: `client ${clientId}`,
    since_ms: lostAt * 1000,
  })
}

async function instances({ deps }: CheckContext): Promise<Found[]> {
  const all = (await instancesNow(deps)).filter(isWatched)
  const found = all.flatMap(problemOf)
  const good = all.length - found.length
  return [...found, ok(`${good} of ${all.length} instances get their revocations.`)]
}

/** Returns the problem of an instance that another check does not report. */
function problemOf(instance: InstanceNow): Found[] {
  const { trouble, ...health } = healthOf(instance)
  if (trouble === undefined || trouble === 'unreached') return []
  return trouble === guardHealthOf(instance)?.trouble
    ? []
    : [problemWith(instance, { ...health, trouble })]
}

/** Returns what is wrong with an instance: its cause, what follows from it, and what to do. */
function problemWith(
  { clientId: id, name, guards, counts, tokenSeconds, targets }: InstanceNow,
  { health, trouble, why, failure }: InstanceHealth & { trouble: Trouble },
): Found {
  const left = (['pending', 'rejected', 'failed'] as const)
    .filter((state) => counts[state] > 0)
    .map((state) => `${counts[state]} ${state}`)
  const [fix, runbook] = HELP[trouble]
  const isRedriven = counts.rejected + counts.failed > 0
  const redrive = !isRedriven
    ? ''
    : ` cmb deliveries list --client ${id} shows its answers. Then: cmb deliveries redrive --client ${id}`
  const oldest = Math.min(...targets.flatMap(({ oldestAtMs }) => oldestAtMs ?? []))
  return {
    state: health === 'bad' ? 'failed' : 'warning',
    about: `client ${id}`,
    found: [
      `${name} ${why}${failure === undefined ? '' : `: ${failure}`}.`,
      left.length === 0 ? '' : ` Deliveries: ${left.join(', ')}.`,
      tokenSeconds === 0 || guards.some(({ connected }) => connected)
        ? ''
        : FOUND.accepts(guards, tokenSeconds),
    ].join(''),
    fix: `${fix}${redrive}`,
    ...(isRedriven && { redrive: `client_id ${id}` }),
    runbook,
    ...(Number.isFinite(oldest) && { since_ms: oldest }),
  }
}

async function addresses({ deps }: CheckContext): Promise<Found[]> {
  // The console's own client is left out: operators notice themselves if the console fails.
  const looks = (await deps.store.listClients())
    .filter((client) => client.source !== 'broker')
    .flatMap((client) => looksAt(deps, client))
  const found = await eachInTurn(looks, AT_ONCE, (look) => look())
  return found.toSorted((a, b) => (a.about ?? '').localeCompare(b.about ?? ''))
}

function looksAt(deps: Deps, client: Client): (() => Promise<Found>)[] {
  const { logoutUris } = client.metadata
  const keys = keySource(client.metadata)
  const about = `client ${client.clientId}`
  const looks = [
    ...logoutUris.map((uri) => () => logoutAddress(deps, uri)),
    ...(keys === undefined
      ? []
      : [() => (keys.issuer ? jwksOf(deps, keys.uri, keys.issuer) : jwks(deps, keys.uri))]),
  ]
  return looks.map((look) => async () => ({ ...(await look()), about }))
}

async function get(
  deps: Deps,
  url: string,
  maxBytes: number,
): Promise<{ status: number; body: string } | { problem: Failure }> {
  try {
    return await deps.outbound.request(url, { method: 'GET', timeoutMs: TIMEOUT_MS, maxBytes })
  } catch (error) {
    return { problem: failureOf(error) }
  }
}

async function logoutAddress(deps: Deps, uri: string): Promise<Found> {
  const answer = await get(deps, uri, 64 * 1024)
  if ('problem' in answer)
    return failed(
      `The broker does not reach its logout address ${uri}: ${answer.problem.text}.`,
      `${FIX[answer.problem.cause]} Its deliveries stay pending.`,
    )
  if (answer.status >= 500)
    return warning(
      `Its logout address ${uri} answers ${answer.status}.`,
      REMEDY.logout_address_fails,
    )
  return ok(`The broker reaches its logout address ${uri}.`)
}

async function jwks(deps: Deps, uri: string): Promise<Found> {
  const answer = await get(deps, uri, 256 * 1024)
  const problem =
    'problem' in answer
      ? `${answer.problem.text}.`
      : answer.status !== 200
        ? `It answers ${answer.status}.`
        : hasKeys(answer.body)
          ? undefined
          : 'The answer is not a JWK Set with keys.'
  if (problem === undefined) return ok(`The broker reads its keys at ${uri}.`)
  return failed(`The broker cannot read its keys at ${uri}: ${problem}`, REMEDY.jwks)
}

/** Checks the keys of a workload's issuer, which its discovery document names. */
async function jwksOf(deps: Deps, uri: string, issuer: string): Promise<Found> {
  const answer = await get(deps, uri, 64 * 1024)
  const found =
    'problem' in answer || answer.status !== 200
      ? undefined
      : jwksUriIn(parsed(answer.body), issuer)
  if (found !== undefined) return jwks(deps, found)
  const problem =
    'problem' in answer
      ? `${answer.problem.text}.`
      : `It answers ${answer.status}, without a jwks_uri of ${issuer}.`
  return failed(
    `The broker cannot read the issuer of its workload at ${uri}: ${problem}`,
    REMEDY.jwks,
  )
}

function hasKeys(body: string): boolean {
  const keys = (parsed(body) as { keys?: unknown } | undefined)?.keys
  return Array.isArray(keys) && keys.length > 0
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body) as unknown
  } catch {
    return undefined
  }
}
