import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Log } from '../runtime/log.ts'

/**
 * A child server of this process. It ends with the process, even after kill -9; it is restarted
 * when it dies; and one left over from an earlier process is ended first.
 */

export interface OwnServer {
  name: string
  command: string
  args: string[]
  /** The user to run as if this process is root, because the server does not run as root. */
  as?: { uid: number; gid: number } | undefined
  env?: NodeJS.ProcessEnv | undefined
  /** The signal that ends it cleanly without waiting for its clients. */
  stopSignal: 'TERM' | 'INT'
  /**
   * The file with its process id. `mark` is a text of its command line. Together they identify a
   * server that was left over.
   */
  pidFile: string
  mark: string
  /** Called before each start. */
  prepare(): Promise<void>
  ready(): Promise<boolean>
  /** Called after each start, once the server is ready. */
  opened(): Promise<void>
  /** Deletes the server's data if it cannot start from it. The data can be lost. */
  startAnew(): Promise<void>
}

const READY_MS = 30_000
const STOP_MS = 5_000
const MAX_PAUSE_MS = 5_000

/**
 * A shell script that runs the server and stops it when its standard input ends. This process holds
 * that input open and never writes to it, so the server stops however the process ends. The script
 * has its own process group, so that Ctrl-C does not stop the queue before the broker has drained.
 */
const WATCHED = `exec 3<&0
"$@" </dev/null 3<&- &
child=$!
trap 'kill -$STOP_SIGNAL $child 2>/dev/null' TERM INT HUP
( trap - TERM; read -r line <&3; kill -$STOP_SIGNAL $child ) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait $child
code=$?
while kill -0 $child 2>/dev/null; do wait $child; code=$?; done
kill $watcher 2>/dev/null
exit $code`

/**
 * Starts the server and keeps it running.
 * @throws Error with a message for the operator if it does not start
 */
export async function keepRunning(
  server: OwnServer,
  log: Log,
): Promise<{ close(): Promise<void> }> {
  const supervisor = new Supervisor(server, log)
  await supervisor.startOrAnew()
  const supervising = supervisor.supervise()
  return {
    async close() {
      await supervisor.end()
      await supervising
      // Ends a server whose restart was under way.
      await supervisor.end()
    },
  }
}

class Supervisor {
  readonly #server: OwnServer
  readonly #log: Log
  #child: ChildProcess | undefined
  #ending = false

  constructor(server: OwnServer, log: Log) {
    this.#server = server
    this.#log = log
  }

  async startOrAnew(): Promise<void> {
    try {
      await this.#start()
    } catch (error) {
      await stop(this.#child)
      this.#log.warn('queue_server_starts_anew', {
        server: this.#server.name,
        cause: String(error),
      })
      await this.#server.startAnew()
      await this.#start()
    }
  }

  /** Starts the server again each time it dies, until `end` is called. */
  async supervise(): Promise<void> {
    for (let pauseMs = 100; !this.#ending;) {
      const code = await exited(this.#child)
      if (this.#ending) return
      this.#log.error('queue_server_died', { server: this.#server.name, code: String(code) })
      await sleep(pauseMs)
      if (this.#ending) return
      try {
        await this.startOrAnew()
        this.#log.info('queue_server_restarted', { server: this.#server.name })
        pauseMs = 100
      } catch (error) {
        await stop(this.#child)
        pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
        this.#log.error('queue_server_not_restarted', { server: this.#server.name, cause: error })
      }
    }
  }

  async end(): Promise<void> {
    this.#ending = true
    await stop(this.#child)
  }

  async #start(): Promise<void> {
    await endLeftover(this.#server)
    await this.#server.prepare()
    this.#child = await startOnce(this.#server)
    await this.#server.opened()
  }
}

async function startOnce(server: OwnServer): Promise<ChildProcess> {
  const child = spawn('/bin/sh', ['-c', WATCHED, server.name, server.command, ...server.args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, ...server.env, STOP_SIGNAL: server.stopSignal },
    ...server.as,
  })
  child.stdin?.on('error', () => {})
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)))
  let failed: Error | undefined
  child.once('error', (error) => (failed = error))
  const late = AbortSignal.timeout(READY_MS)
  while (!late.aborted) {
    if (failed !== undefined || child.exitCode !== null || child.signalCode !== null) break
    if (await server.ready()) return child
    await sleep(25)
  }
  await stop(child)
  throw new Error(`${server.name} did not start${said === '' ? '' : `: ${said.trim()}`}`, {
    cause: failed,
  })
}

const exited = (child: ChildProcess | undefined): Promise<number | string | null> =>
  child === undefined || child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve(child?.exitCode ?? child?.signalCode ?? null)
    : new Promise((done) => child.once('exit', (code, signal) => done(code ?? signal)))

async function stop(child: ChildProcess | undefined): Promise<void> {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const gone = exited(child)
  child.stdin?.end()
  const timer = setTimeout(() => signal(-(child.pid as number), 'SIGKILL'), STOP_MS)
  await gone
  clearTimeout(timer)
}

/** Sends a signal. Returns false if there is no such process. */
function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/**
 * Ends a server that survived its broker, first cleanly and then by SIGKILL. A different program
 * that now has its process id is not touched.
 */
async function endLeftover(server: OwnServer): Promise<void> {
  const pid = Number.parseInt(
    (await readFile(server.pidFile, 'utf8').catch(() => '')).split('\n')[0] ?? '',
    10,
  )
  if (!(pid > 1) || !(await isOurs(pid, server.mark))) return
  signal(pid, server.stopSignal === 'INT' ? 'SIGINT' : 'SIGTERM')
  for (let waited = 0; waited < STOP_MS * 2; waited += 50) {
    if (!signal(pid, 0) || !(await isOurs(pid, server.mark))) return
    if (waited === 3_000) signal(pid, 'SIGKILL')
    await sleep(50)
  }
  throw new Error(
    `A ${server.name} of an earlier start (process ${pid}) does not stop. Stop that process by hand`,
  )
}

async function isOurs(pid: number, mark: string): Promise<boolean> {
  const proc = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined)
  if (proc !== undefined) return proc.includes(mark)
  if (process.platform === 'linux') return false
  const ps = promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)])
  return (await ps.catch(() => ({ stdout: '' }))).stdout.includes(mark)
}
