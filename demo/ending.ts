/**
 * The events that end the demo, and broker-dev: Ctrl-C, a signal, and the death of the npm that
 * runs it.
 */

const LOOK_MS = 500

/** Settles when the demo has to end. */
export function endingAsked(): Promise<void> {
  // Ignores errors of output streams whose reader is gone, for example a closed terminal, so that
  // the demo still ends cleanly.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  return new Promise<void>((ask) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ask())
    if (process.env.npm_lifecycle_event !== 'demo') return
    // An npm that was killed, or ended by a hang-up, forwards no signal. The only sign is that its
    // child gets another parent.
    const { ppid } = process
    setInterval(() => {
      if (process.ppid !== ppid) ask()
    }, LOOK_MS).unref()
  })
}
