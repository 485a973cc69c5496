import { hostname } from 'node:os'
import { join } from 'node:path'
import { openSqliteStore, type SqliteStoreOptions } from '../db/sqlite/store.ts'
import { SavedBranding } from './operations/acts/branding.ts'
import { openClientRegistry } from './clients/registry.ts'
import { Closing } from './runtime/closing.ts'
import type { Config } from './config/config.ts'
import type { Deps } from './deps.ts'
import { openKeyRing } from './keys/ring.ts'
import { createSealer } from './keys/sealer.ts'
import { makeSigningKey } from './keys/signing-key.ts'
import type { Log } from './runtime/log.ts'
import { createMetrics } from './runtime/metrics.ts'
import { openConnection } from './microsoft/connection.ts'
import { RejectedVisits } from './provider/rejected-visits.ts'
import { SignInWatch } from './microsoft/sign-in-watch.ts'
import {
  createOutbound,
  type OutboundOptions,
  proxiedFetch,
  type ProxySettings,
} from './runtime/outbound.ts'
import { pooledRandom } from './runtime/ids.ts'
import { AddressWatch } from './runtime/remote-address.ts'
import { type SteadyClock, systemClock } from './runtime/clock.ts'
import { ClockWatch } from './runtime/clock-watch.ts'
import { inRequest } from './runtime/request-context.ts'
import { Topic } from './runtime/topic.ts'
import { workText } from './protocol/work.ts'
import { createRateLimits } from './runtime/rate-limits.ts'
import type { DeliveryQueue } from './outbox/interface.ts'
import { announce } from './revocation/announce.ts'
import { followOtherBrokers } from './other-brokers.ts'
import { version } from './runtime/version.ts'
import { FeedOfThisProcess } from './revocation/feed.ts'
import { startQueueEngine } from './outbox/queue-engine.ts'

type Overrides = Partial<Deps> & Pick<SqliteStoreOptions, 'startReader'>

/**
 * Opens the parts of a broker in the order of their dependencies. A part in `overrides` is used as
 * it is and not closed here: tests replace the clock and Microsoft.
 * @throws the error of a part that does not open, after closing the others
 */
export async function openParts(
  input: { config: Config; log: Log },
  overrides: Overrides = {},
): Promise<{ deps: Deps; closing: Closing }> {
  const closing = new Closing(input.log)
  try {
    return { deps: await open(input, overrides, closing), closing }
  } catch (error) {
    await closing.run()
    throw error
  }
}

async function open(
  { config, log }: { config: Config; log: Log },
  given: Overrides,
  closing: Closing,
): Promise<Deps> {
  logLanguages(config, log)
  const { clock: wall = systemClock, random = pooledRandom(), makeKey = makeSigningKey } = given
  const { metrics = createMetrics(), sealer = createSealer(config.secrets) } = given
  const clockWatch = given.clockWatch ?? new ClockWatch(wall)
  const clock: SteadyClock = clockWatch
  const store = given.store ?? (await openStore({ config, log }, clockWatch, closing, given))
  clockWatch.startsAfter((await store.newestTimes())?.at ?? 0)
  const outbounds = openOutbounds(config, given, closing)
  const clients = given.clients ?? (await openClientRegistry(store))
  const { issuer, keyFiles } = config
  const onEmergency = (kids: string[]): void => feed.publishKeys(kids)
  // The threads of Node's pool make the keys of a new store while modules are loaded here.
  const ring =
    given.keys ??
    openKeyRing({ store, sealer, random, makeKey, clock, issuer, keyFiles, onEmergency })
  Promise.resolve(ring).catch(() => undefined)
  const queue = given.queue ?? (await openQueue({ config, log }, closing))
  const rateLimits = given.rateLimits ?? createRateLimits({ log, metrics, clock }, config.rates)
  const shared = { config, store, clients, metrics, log, clock, clockWatch, rateLimits, random }
  const feed =
    given.feed ?? new FeedOfThisProcess({ ...shared, followed: { read: () => followed.read() } })
  const connection =
    given.connection ?? (await openConnection({ store, sealer, config, clock, log }))
  // Uses the wall clock, because it is compared with Microsoft's time.
  const microsoft =
    given.microsoft ??
    (await openMicrosoft({ config, connection: connection.current, log, clock: wall }, closing))
  const refreshes = given.refreshes ?? new Topic()
  const { signInWatch = new SignInWatch(clock), addressWatch = new AddressWatch() } = given
  const rejectedVisits = given.rejectedVisits ?? new RejectedVisits({ store, clock, log })
  closing.add('rejected visits', () => rejectedVisits.close())
  // One commit may be from several requests, so its announcement belongs to none of them.
  store.onRevoked((committed) =>
    inRequest(undefined, () => announce({ feed, queue, metrics, log }, committed)),
  )
  const branding = await SavedBranding.open({ store, config })
  const keys = await ring
  const followed = followOtherBrokers({ store, feed, clients, connection, keys, log, branding })
  closing.add('other brokers', () => followed.stop())
  return {
    ...shared,
    signInWatch,
    rejectedVisits,
    addressWatch,
    makeKey,
    branding,
    sealer,
    keys,
    microsoft,
    connection,
    queue,
    refreshes,
    feed,
    ...outbounds,
    followed,
  }
}

const openOutbounds = (config: Config, given: Overrides, closing: Closing) => ({
  outbound: given.outbound ?? openOutbound(config, closing, 'outbound'),
  webhookOutbound:
    given.webhookOutbound ??
    openOutbound(config, closing, 'webhook outbound', {
      privateRanges: config.webhookPrivateRanges,
    }),
})

/**
 * Logs the state of translation files. Missing texts do not keep the broker from starting, because
 * the file may be for another version.
 */
function logLanguages({ look }: Config, log: Log): void {
  for (const { language, reviewed, missing, unknown } of look.languages.slice(1)) {
    log.info('language_loaded', { language, reviewed })
    const [first] = [...missing, ...unknown]
    const next =
      'Users read the missing texts in English. docs/languages.md says how to update a file.'
    if (first !== undefined)
      log.warn('language_file_differs', {
        language,
        missing: missing.length,
        unknown: unknown.length,
        first,
        next,
      })
  }
}

async function openStore(
  { config, log }: { config: Config; log: Log },
  clock: ClockWatch,
  closing: Closing,
  given: Overrides,
): Promise<Deps['store']> {
  const {
    databaseUrl: url,
    databaseDirectUrl: directUrl,
    databaseStandby: standby,
    dataDir,
    kind,
  } = config
  const failed = (cause: unknown): void => log.error('checkpoint_failed', { cause })
  const clocks = {
    nowMs: () => clock.nowMs(),
    isCertain: () => clock.isCertain(),
    elapsedMs: () => clock.elapsedMs(),
  }
  const store =
    url === undefined
      ? await openSqliteStore({
          file: join(dataDir, 'broker.db'),
          startReader: given.startReader,
          checkpoints: { failed },
          ...clocks,
        })
      : await (
          await import('../db/postgres/store.ts')
        ).openPostgresStore({
          url,
          directUrl,
          standbyRequired: standby === 'required',
          version: version(),
          mark: join(dataDir, 'postgres'),
          kind,
          work: workText(config.work),
          host: kind === 'broker' ? `${hostname()}:${config.listen.port}` : hostname(),
          ...clocks,
        })
  closing.add('store', () => store.close())
  return store
}

const proxyOf = ({ proxy: { https, noProxy } }: Config): ProxySettings | undefined =>
  https === undefined ? undefined : { https, noProxy }

async function openMicrosoft(
  input: Pick<Deps, 'config' | 'log' | 'clock'> & { connection: Deps['connection']['current'] },
  closing: Closing,
): Promise<Deps['microsoft']> {
  const { createMicrosoft } = await import('./microsoft/microsoft.ts')
  const proxy = proxyOf(input.config)
  if (proxy === undefined) return createMicrosoft(input)
  const { fetch, close } = proxiedFetch(proxy)
  closing.add('proxy', close)
  return createMicrosoft({ ...input, fetch })
}

function openOutbound(
  config: Config,
  closing: Closing,
  name: string,
  more: Partial<OutboundOptions> = {},
): Deps['outbound'] {
  const { allowLoopbackTargets: allowLoopback, proxy } = config
  const outbound = createOutbound({
    allowLoopback,
    proxy: proxy.deliveries ? proxyOf(config) : undefined,
    ...more,
  })
  closing.add(name, () => outbound.close())
  return outbound
}

async function openQueue(
  { config, log }: { config: Config; log: Log },
  closing: Closing,
): Promise<DeliveryQueue> {
  const engine = await startQueueEngine({
    dataDir: config.dataDir,
    url: config.queueUrl,
    log,
  })
  closing.add('queue server', () => engine.close())
  const { openDeliveryQueue } = await import('./outbox/delivery-queue.ts')
  const queue = await openDeliveryQueue({ engine, log })
  closing.add('queue', () => queue.close())
  return queue
}
