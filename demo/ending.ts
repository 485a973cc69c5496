/** What ends the demo, and broker-dev: Ctrl-C, a signal, and the death of the npm that runs it. */

const LOOK_MS = 500

/** Settles when it has to end. */
export function endingAsked(): Promise<void> {
  // A terminal that was closed, a reader that has gone: output without a reader must not keep us
  // from ending cleanly.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  return new Promise<void>((ask) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ask())
    if (process.env.npm_lifecycle_event !== 'demo') return
    // An npm that was killed, or that a hang-up ended, passes nothing on: its child gets another
    // parent, and that is all there is to see.
    const { ppid } = process
    setInterval(() => {
      if (process.ppid !== ppid) ask()
    }, LOOK_MS).unref()
  })
}
