import { ConfigError, loadConfig, type Environment } from './config/config.ts'
import type { Address } from './runtime/listener.ts'
import type { Deps } from './deps.ts'
import { workText, type ProcessKind } from './protocol/work.ts'
import { createLog } from './runtime/log.ts'
import { startBroker, type Broker } from './start.ts'
import { systemClock } from './runtime/clock.ts'

/**
 * The process of a broker, or of workers only: reads the settings, opens the parts, serves, drains.
 * It ends after SIGTERM or SIGINT (a second signal ends it at once), or when the IPC channel to its
 * parent closes.
 * @param overrides replacements for parts, in tests
 * @returns the exit code: 0 ended as asked, 1 could not start, 2 the settings are wrong
 */
export async function serve(
  env: Environment,
  overrides: Partial<Deps> = {},
  kind: ProcessKind = 'broker',
): Promise<number> {
  // If the reader of the log is gone (a closed terminal, a crashed collector), the broker goes on
  // serving and still drains at its end.
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

/** Resolves with the reason when this process is asked to end. */
function ending(): Promise<string> {
  return new Promise((resolve) => {
    let askedAt: number | undefined
    const ask = (why: string): void => {
      // One Ctrl-C signals a whole process group and may arrive here twice within a moment. A user
      // takes longer to repeat it.
      if (askedAt !== undefined && systemClock.steadyMs() - askedAt > 1000) process.exit(130)
      askedAt ??= systemClock.steadyMs()
      resolve(why)
    }
    process.on('SIGTERM', () => ask('SIGTERM'))
    process.on('SIGINT', () => ask('SIGINT'))
    // A parent that was killed with kill -9 sends no signal, but its IPC channel closes.
    if (process.send) process.on('disconnect', () => ask('the process that started it is gone'))
  })
}
