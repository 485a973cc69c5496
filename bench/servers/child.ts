import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { serverCommand } from '../machine/machine.ts'
import { end } from './process.ts'

/**
 * A server of a bench in its own process and on its own core, with a channel for requests to it.
 */
export interface Child {
  pid: number
  /** The message that the server sent when it was ready. */
  ready: Record<string, unknown>
  ask(name: string, input: unknown): Promise<unknown>
  stop(): Promise<void>
}

/**
 * Starts a server.
 * @param server its program, without the extension: `servers/broker`
 * @param more arguments after the directory for its data
 */
export async function startChild(
  core: string | undefined,
  server: string,
  ...more: string[]
): Promise<Child> {
  const dir = mkdtempSync(join(tmpdir(), `cmb-bench-${basename(server)}-`))
  const [program, ...args] = serverCommand(core, server, dir, ...more)
  const child: ChildProcess = spawn(program, args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const waiting = new Map<number, { done(output: unknown): void; failed(error: Error): void }>()
  let last = 0
  const ready = await new Promise<Record<string, unknown>>((done, failed) => {
    child.once('exit', (code) => failed(new Error(`${server} ended (${code}).`)))
    child.once('message', (message) => done(message as Record<string, unknown>))
  })
  child.on('message', (message: { id: number; output?: unknown; failed?: string }) => {
    const { id, output, failed } = message
    if (failed === undefined) waiting.get(id)?.done(output)
    else waiting.get(id)?.failed(new Error(failed))
    waiting.delete(id)
  })
  child.once('exit', (code) => {
    for (const { failed } of waiting.values()) failed(new Error(`${server} ended (${code}).`))
  })
  return {
    pid: child.pid ?? 0,
    ready,
    ask: (name, input) =>
      new Promise((done, failed) => {
        waiting.set(++last, { done, failed })
        child.send({ id: last, name, input }, (error) => error && failed(error))
      }),
    async stop() {
      await end(child)
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
