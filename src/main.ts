import { ConfigError, loadConfig, type Environment } from './config/config.ts'
import type { Address } from './runtime/listener.ts'
import type { Deps } from './deps.ts'
import { workText, type ProcessKind } from './protocol/work.ts'
import { createLog } from './runtime/log.ts'
import { startBroker, type Broker } from './start.ts'
import { systemClock } from './runtime/clock.ts'

/**
 * The process of a broker, or of workers alone: settings → parts → serve → drain. It ends by
 * SIGTERM or SIGINT (the second one does not wait), or when the process that started it with an IPC
 * channel is gone.
 * @param overrides parts that a test stands in for
 * @returns the exit code: 0 ended as asked, 1 could not start, 2 the settings are wrong
 */
export async function serve(
  env: Environment,
  overrides: Partial<Deps> = {},
  kind: ProcessKind = 'broker',
): Promise<number> {
  // A reader of the log that has gone (a closed terminal, a collector that died) is not a reason to
  // stop serving, nor to end without draining.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  const log = createLog((line) => process.stdout.write(`${line}\n`), systemClock.nowMs)
  let broker: Broker
  const asked = ending()
  try {
    broker = await startBroker(loadConfig(env, kind), log, overrides)
  } catch (error) {
    if (error instanceof ConfigError) {
      process.stderr.write(`${error.message}\n`)
      return 2
    }
    log.error('start_failed', { cause: error })
    process.stderr.write(
      `The ${kind} could not start: ${error instanceof Error ? error.message : String(error)}\n`,
    )
    return 1
  }
  const { issuer, entra, warnings, work } = broker.deps.config
  for (const { name, problem } of warnings)
    log.warn('unknown_setting', {
      name,
      problem,
      next: 'docs/configuration.md lists every setting.',
    })
  const readiness = broker.deps.microsoft.readiness()
  if (entra.simulated)
    log.warn('microsoft_is_simulated', {
      authority: entra.authority,
      meaning: 'Any visitor can sign in as any user. Use this for trials only.',
    })
  if (!readiness.connected)
    log.warn('microsoft_not_connected', {
      missing: readiness.missing.join(' '),
      next: 'Run cmb setup: it prints a link to /setup, where an operator connects the broker. cmb doctor says what is missing.',
    })
  log.info(kind === 'broker' ? 'serving' : 'working', {
    issuer,
    listen: broker.listen && addressText(broker.listen),
    opsListen: addressText(broker.opsListen),
    queue: broker.queueEngine,
    work: workText(work),
  })
  process.send?.({ serving: true, queue: broker.queueEngine })
  log.info('draining', { why: await asked })
  await broker.stop()
  log.info('ended')
  return 0
}

const addressText = ({ host, port }: Address): string => `${host}:${port}`

/** Settles with what asked this process to end. */
function ending(): Promise<string> {
  return new Promise((resolve) => {
    let askedAt: number | undefined
    const ask = (why: string): void => {
      // One Ctrl-C reaches a whole process group, and so may arrive here twice; a user who repeats
      // it takes longer.
      if (askedAt !== undefined && systemClock.steadyMs() - askedAt > 1000) process.exit(130)
      askedAt ??= systemClock.steadyMs()
      resolve(why)
    }
    process.on('SIGTERM', () => ask('SIGTERM'))
    process.on('SIGINT', () => ask('SIGINT'))
    // A parent that was killed with kill -9 cannot send a signal; its IPC channel closes all the
    // same.
    if (process.send) process.on('disconnect', () => ask('the process that started it is gone'))
  })
}
