import { resolveQuickly } from './resolve-quickly.ts'
import type { BrokerOptions } from './api.ts'
import type { Running } from './run.ts'

/**
 * The child process of `startBroker()`: receives the options over its IPC channel, sends the facts
 * back over it, and ends when the channel closes. It is a separate process because tests replace
 * timers, clocks and modules in their own.
 */

let running: Running | undefined

async function end(): Promise<void> {
  await running?.stop()
  process.exit(0)
}

process.on('disconnect', () => void end())
// Ctrl-C also signals this process. It ignores the signal and ends when its parent process ends or
// stops it.
process.on('SIGINT', () => {})
process.once('message', (options: BrokerOptions) => {
  resolveQuickly()
  import('./run.ts')
    .then(({ run }) => run(options, (text) => void process.stderr.write(`broker-dev: ${text}\n`)))
    .then((started) => {
      running = started
      process.send?.({ facts: started.facts })
    })
    .catch((error: unknown) => {
      process.send?.({ problem: error instanceof Error ? error.message : String(error) }, () =>
        process.exit(1),
      )
    })
})
