import type { ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** The start and the end of a server that a bench or a test runs as a process of its own. */

/** Ends a process, by default as a deployment does, and waits until it has ended. */
export async function end(
  child: ChildProcess,
  signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM',
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = new Promise((done) => child.once('exit', done))
  child.kill(signal)
  await ended
}

/**
 * Waits until a server listens.
 * @param name the server in the words of the error
 * @throws Error if it does not within so many seconds
 */
export async function untilListens(port: number, name: string, seconds: number): Promise<void> {
  for (const last = Date.now() + seconds * 1000; !(await listens(port)); await sleep(20))
    if (Date.now() > last) throw new Error(`${name} did not start within ${seconds} s.`)
}

const listens = (port: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('error', () => done(false))
    socket.once('connect', () => {
      socket.destroy()
      done(true)
    })
  })
