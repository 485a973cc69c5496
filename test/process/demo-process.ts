import { type ChildProcess, spawn } from 'node:child_process'
import { join, resolve } from 'node:path'
import { COMPILED, until } from './broker-process.ts'
import { freeBase } from './ports.ts'

/**
 * The demo as `npm run demo -- --json` starts it, in its own process group and on its own ports.
 */

const ROOT = resolve(import.meta.dirname, '../..')

export interface DemoFacts {
  issuer: string
  ops: string
  microsoft: string
  users: { upn: string; password: string; note: string }[]
  instances: {
    name: string
    url: string
    client_id: string
    client_secret: string
    redirect_uri: string
    backchannel_logout_uri: string
  }[]
  further_clients: string[]
  queue: 'valkey' | 'redis' | 'postgres'
  store: string
  data_dir: string
  /** The brokers of `--cluster`. */
  brokers?: { name: string; pid: number; url: string; ops: string; data_dir: string }[]
}

export interface Demo {
  facts: DemoFacts
  pid: number
  /** Returns its output on standard error. */
  errors(): string
  /** Interrupts the demo as Ctrl-C does. Settles with the exit code when it has ended. */
  interrupt(): Promise<number | null>
  /** Sends a signal to this one process, not its group. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

/**
 * Waits for a process that leads its own group. If that fails, the group is ended: the process
 * first as by Ctrl-C, so that it ends its children.
 */
export async function orEnd(
  child: ChildProcess,
  ready: Promise<unknown>,
  graceMs = 20_000,
): Promise<void> {
  try {
    await ready
  } catch (error) {
    const gone = new Promise<void>((done) =>
      hasEnded(child) ? done() : child.once('exit', () => done()),
    )
    child.kill('SIGINT')
    const late = setTimeout(() => killGroup(child), graceMs)
    await gone
    clearTimeout(late)
    killGroup(child)
    throw error
  }
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean =>
  exitCode !== null || signalCode !== null

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, 'SIGKILL')
  } catch {
    // No process of the group is left.
  }
}

/**
 * Starts the demo as a process.
 * @param by npm: as users start it, without the build before
 */
export async function startDemo(
  args: string[] = [],
  env: Record<string, string> = {},
  by: 'node' | 'npm' = 'node',
): Promise<Demo> {
  const [command, first] =
    by === 'npm'
      ? ['npm', ['run', '--silent', '--ignore-scripts', 'demo', '--']]
      : [process.execPath, [join(ROOT, 'dist/demo/main.js')]]
  const child: ChildProcess = spawn(command, [...first, '--json', ...args], {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '/',
      ...COMPILED,
      DEMO_PORT_BASE: String(await freeBase([0, 1, 2, 3, 4, 5, 6, 11, 12])),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  let errors = ''
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  const gone = new Promise<number | null>((done) => child.once('exit', (code) => done(code)))
  const ended = gone.then((code) =>
    Promise.reject(new Error(`The demo ended (${code}): ${errors}`)),
  )
  ended.catch(() => undefined)
  const end = (signal: NodeJS.Signals): Promise<number | null> => {
    if (!hasEnded(child)) child.kill(signal)
    return gone
  }
  await orEnd(
    child,
    Promise.race([until('the demo’s line', () => output.includes('\n'), 90), ended]),
  )
  return {
    facts: JSON.parse(output) as DemoFacts,
    pid: child.pid ?? 0,
    errors: () => errors,
    interrupt: () => end('SIGINT'),
    end,
  }
}
