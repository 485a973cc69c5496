import { execFile, fork, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'

/**
 * The real broker, as `npm start` runs it, in its own process, so that the demo shows the same
 * program.
 */

export interface RunningBroker {
  pid: number
  queue: string
  /** Settles with its exit code when the broker has ended. */
  ended: Promise<number | null>
  stop(): Promise<void>
}

const ROOT = join(import.meta.dirname, '..')
const CLI = join(ROOT, 'src/cli.js')

/**
 * Runs one command of `cmb`.
 * @throws with the command's error output where it fails
 */
export async function runCommand(args: string[], env: Record<string, string>): Promise<void> {
  await promisify(execFile)(process.execPath, [CLI, ...args], {
    env: { ...inherited(), ...env },
  }).catch((failed: { stderr?: string }) => {
    throw new Error(`cmb ${args.join(' ')} failed: ${failed.stderr?.trim() ?? ''}`)
  })
}

/**
 * Starts the broker.
 * @throws with its last output where it cannot start
 */
export async function runBroker(
  env: Record<string, string>,
  onLine: (line: string) => void,
): Promise<RunningBroker> {
  const child = fork(CLI, ['serve'], {
    env: { ...inherited(), ...env },
    execArgv: [
      '--max-semi-space-size=2',
      '--initial-old-space-size=48',
      '--heap-growing-percent=50',
    ],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    // A process group of its own, so that the terminal's Ctrl-C reaches only the demo, which
    // forwards it once.
    detached: true,
  })
  const last: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n').filter(Boolean)) {
        last.push(line)
        if (last.length > 20) last.shift()
        onLine(line)
      }
    })
  }
  const ended = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
  const queue = await Promise.race([
    new Promise<string>((ready) =>
      child.once('message', (message) => ready((message as { queue: string }).queue)),
    ),
    ended.then((code) =>
      Promise.reject(
        new Error(
          `The broker ended (${code ?? 'killed'}) before it served. It said last:\n${last.join('\n')}`,
        ),
      ),
    ),
  ])
  return { pid: child.pid ?? 0, queue, ended, stop: () => stop(child, ended) }
}

/**
 * Returns the environment for child processes, without the developer's BROKER_ settings, which
 * belong to a broker of their own.
 */
function inherited(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] =>
        entry[1] !== undefined && !entry[0].startsWith('BROKER_'),
    ),
  )
}

async function stop(child: ChildProcess, ended: Promise<number | null>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 15_000)
  await ended
  clearTimeout(timer)
}
