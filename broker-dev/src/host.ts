import { resolveQuickly } from '../../db/resolve-quickly.ts'
import type { BrokerOptions } from './api.ts'
import type { Running } from './run.ts'

/**
 * The process that `startBroker()` starts: the options come by its IPC channel, the facts go back
 * by it, and it ends with the channel. A process of its own, because tests replace timers, clocks
 * and modules in their own process.
 */

let running: Running | undefined

async function end(): Promise<void> {
  await running?.stop()
  process.exit(0)
}

process.on('disconnect', () => void end())
// Ctrl-C reaches this process too. It ends when the process that started it does, or stops it.
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
