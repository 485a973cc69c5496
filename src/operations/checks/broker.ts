import type { Config } from '../../config/config.ts'
import type { Deps } from '../deps.ts'
import type { Sealer } from '../../keys/interface.ts'
import { secretPlace } from '../../outbox/webhook-message.ts'
import { brokersNow } from '../acts/brokers.ts'
import { createSealer } from '../../keys/sealer.ts'
import type { Check, Looked, CheckContext } from './check.ts'
import { at, failed, type Found, message, ok, settingWarning, warning } from './finding.ts'
import { WORK_NAMES } from '../../protocol/work.ts'
import { missingSecrets, secretSince } from './secrets.ts'
import { REMEDY } from './texts/fixes.ts'
import { FOUND } from './texts/found.ts'

/** Checks of the broker itself: settings, queue, secrets, keys and clients file. */
export const brokerChecks: readonly Check[] = [
  {
    id: 'settings',
    look: settings,
  },
  {
    id: 'client-addresses',
    look: clientAddresses,
  },
  {
    id: 'queue',
    severity: 'ticket',
    part: 'queue',
    look: queue,
  },
  {
    id: 'queue-durability',
    cost: { everySeconds: 300 },
    warnsByTicket: true,
    look: durability,
  },
  {
    id: 'work',
    cost: { everySeconds: 20 },
    severity: 'ticket',
    look: work,
  },
  {
    id: 'brokers',
    warnsByTicket: true,
    names: true,
    look: brokers,
  },
  {
    id: 'secrets',
    cost: { everySeconds: 60 },
    severity: 'ticket',
    look: secrets,
  },
  {
    id: 'signing-keys',
    cost: { everySeconds: 60 },
    severity: 'ticket',
    warnsByTicket: true,
    look: signingKeys,
  },
  {
    id: 'clients-file',
    cost: { everySeconds: 30 },
    severity: 'ticket',
    look: ({ deps }) => examineClientsFile(deps.config, true),
  },
]

function settings({ deps: { config, connection } }: CheckContext): Found[] {
  const differences = connection
    .differences()
    .map((difference) => warning(difference, REMEDY.setting_differs))
  return [
    ok(`Read. The issuer is ${config.issuer}.`),
    config.entra.simulated && warning(FOUND.simulated, REMEDY.simulated),
    config.issuer.startsWith('http:') && warning(FOUND.plain_http, REMEDY.plain_http),
    config.allowLoopbackTargets && warning(FOUND.loopback, REMEDY.loopback),
    connection.current().operatorTenant === undefined &&
      warning(FOUND.no_operator_tenant, REMEDY.no_operator_tenant),
    ...differences,
    ...config.warnings.map(settingWarning),
  ].filter((difference) => difference !== false)
}

function clientAddresses({ deps: { addressWatch } }: CheckContext): Found {
  const hidden = addressWatch.hidden()
  if (hidden === undefined) return ok('No unknown proxy hides them.')
  const { address, requests } = hidden
  return warning(FOUND.hidden_addresses(requests, address), REMEDY.proxy_unknown(address))
}

async function brokers({ deps }: CheckContext): Promise<Found[]> {
  const all = await brokersNow(deps)
  const brokers = all.filter(({ kind }) => kind === 'broker')
  const { length: left } = brokers.filter(({ missing }) => !missing)
  return all.map(({ kind, host, missing, seenAtMs }) =>
    missing
      ? warning(
          FOUND.broker_missing(kind, host, at(seenAtMs / 1000), left, brokers.length),
          REMEDY.broker_missing,
          { since_ms: seenAtMs },
        )
      : ok(`The ${kind} on ${host} sends its heartbeat.`),
  )
}

/** Checks that a broker or worker does each kind of work, because BROKER_WORK may exclude some. */
async function work({ deps }: CheckContext): Promise<Looked> {
  if (deps.config.databaseUrl === undefined) return undefined
  const all = (await brokersNow(deps)).filter(({ missing }) => !missing)
  const missing = WORK_NAMES.filter(
    (name) => !all.some(({ work: does }) => does === 'all' || does.split(',').includes(name)),
  )
  if (missing.length === 0) return ok('Each kind of work is done by a broker or a worker.')
  return failed(
    `No broker and no worker does: ${missing.join(', ')}.`,
    REMEDY.no_work(missing.join(',')),
  )
}

/** The answer of Redis and Valkey to a missing or wrong password. */
const WANTS_PASSWORD = /NOAUTH|WRONGPASS|invalid password|without any password/i

/** The answer of Redis and Valkey to a write beyond `maxmemory`. */
const OUT_OF_MEMORY = /\bOOM command not allowed/

function fixOfQueue(problem: string): string {
  if (WANTS_PASSWORD.test(problem)) return REMEDY.queue_password
  if (OUT_OF_MEMORY.test(problem)) return REMEDY.queue_memory
  return REMEDY.queue_down
}

async function queue({ deps, storeProblem }: CheckContext): Promise<Found> {
  const { up, engine, problem = 'The queue server does not answer.' } = await deps.queue.health()
  if (!up) {
    const found = FOUND.queue_down(message(problem), (await storeProblem()) === undefined)
    return failed(found, fixOfQueue(problem), { engine })
  }
  if (engine === 'postgres') return warning(FOUND.queue_embedded, REMEDY.queue_embedded, { engine })
  return ok(`It answers (${engine}).`, { engine })
}

async function durability({ deps }: CheckContext): Promise<Looked> {
  const found = await deps.queue.durability()
  if (found === undefined) return undefined
  const evicts = found.evictionPolicy !== 'noeviction'
  if (!evicts && found.appendOnly) return ok('AOF is on and nothing is evicted.')
  return [
    evicts && warning(FOUND.queue_evicts(found.evictionPolicy), REMEDY.queue_evicts),
    !found.appendOnly && warning(FOUND.queue_forgets, REMEDY.queue_forgets),
  ].filter((candidate) => candidate !== false)
}

/**
 * Checks old secrets. One can be removed when no key is sealed under it, and when every session
 * that may hold a value of it has ended.
 */
async function secrets({ deps, now }: CheckContext): Promise<Found> {
  const { config, store } = deps
  const [current] = config.secrets
  const own = await secretSince(deps)
  const missing = await missingSecrets(deps)
  const since = Math.max(own, ...missing)
  const everythingAt = await store.everythingRevokedAt()
  // A revocation of everything ended all older sessions. Its time may be ahead of this clock, because
  // the log's times never decrease.
  const free =
    everythingAt !== undefined && everythingAt > since ? now : since + (await longestSession(deps))
  if (since > own && now < free) return failed(FOUND.secret_lacks, REMEDY.secret_lacks)
  if (missing.length > 0 && now < free)
    return failed(
      `BROKER_SECRET no longer holds ${missing.length} value${missing.length === 1 ? '' : 's'} that sessions still need: refresh tokens made under it are rejected.`,
      `Set BROKER_SECRET=new,old again and keep the old value until ${at(free)}.`,
    )
  if (current === undefined || config.secrets.length < 2) return ok('One secret is set.')
  const sealed = await stillSealed(deps, createSealer([current]))
  if (sealed !== undefined) return sealed
  return now < free
    ? warning(
        `Sessions opened under an old secret may live until ${at(free)}.`,
        'Keep it until then.',
      )
    : warning('The old secret is not needed any more.', REMEDY.old_secret)
}

/**
 * Returns a warning for what an old secret still seals. @param alone opens only values of the
 * current secret
 */
async function stillSealed({ store, connection }: Deps, alone: Sealer): Promise<Found | undefined> {
  const isOld = (place: string, value: string | null | undefined): boolean =>
    value !== null && value !== undefined && alone.open(place, value) === undefined
  const keys = (await store.listKeys()).flatMap(({ kid, state, privateSealed }) =>
    state !== 'retired' && isOld(`signing_keys/${kid}/private_sealed`, privateSealed) ? [kid] : [],
  )
  const states = await Promise.all(
    connection.current().tenants.map(async (tid) => {
      const place = `graph/${tid}/client_state`
      return isOld(`settings/${place}`, await store.setting(place)) ? [`tenant ${tid}`] : []
    }),
  )
  const webhooks = (await store.listWebhooks()).flatMap(({ id, secretSealed }) =>
    isOld(secretPlace(id), secretSealed) ? [id] : [],
  )
  const sealed = [
    ['signing keys', keys, REMEDY.sealed_keys],
    ['what Graph’s notifications are checked with', states.flat(), REMEDY.sealed_graph],
    ['the secrets of webhooks', webhooks, REMEDY.sealed_webhooks],
  ] as const
  const first = sealed.find(([, names]) => names.length > 0)
  if (first === undefined) return undefined
  const [what, names, fix] = first
  return warning(`An old secret still seals ${what}: ${names.join(', ')}.`, fix)
}

async function longestSession({ config, store }: Pick<Deps, 'config' | 'store'>): Promise<number> {
  const tenants = await store.listTenants()
  const own = tenants.flatMap((tenant) => [
    tenant.absoluteSeconds ?? 0,
    tenant.staySignedInSeconds ?? 0,
  ])
  return Math.max(...Object.values(config.limits), ...own)
}

async function signingKeys({ deps, now }: CheckContext): Promise<Found[]> {
  const rows = await deps.keys.list()
  return (['ES256', 'RS256'] as const).map((alg): Found => {
    const about = `key ${alg}`
    const active = rows.find((key) => key.alg === alg && key.state === 'active')
    if (active === undefined)
      return failed('There is no active key.', `cmb keys rotate ${alg} --activate`, { about })
    const days = Math.floor((now - (active.activatedAt ?? active.createdAt)) / 86_400)
    if (days <= 100) return ok(`${active.kid} has been in use for ${days} day(s).`, { about })
    return warning(
      FOUND.key_old(active.kid, days),
      `cmb keys rotate ${alg}; if it comes from a file, put a new one first in the list.`,
      { about },
    )
  })
}

/** Checks the clients file. @param running true if a broker serves and keeps the last valid file */
export async function examineClientsFile(
  config: Pick<Config, 'clientsFile' | 'allowLoopbackTargets'>,
  running: boolean,
): Promise<Found[]> {
  if (config.clientsFile === undefined) return []
  const { readClientsFile } = await import('../../clients/read-clients-file.ts')
  const read = await readClientsFile(config.clientsFile, {
    allowLoopback: config.allowLoopbackTargets,
  })
  if (read.ok) return [ok(`${read.clients.length} client(s) in ${config.clientsFile}.`)]
  const [before, after] = running
    ? [FOUND.file_not_used, ' The broker reads it again by itself.']
    : ['', '']
  return [failed(`${before}${read.problems.join(' ')}`, `Correct ${config.clientsFile}.${after}`)]
}
