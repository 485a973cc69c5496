import { onTestFinished } from 'vitest'
import { run } from '../../src/program.ts'
import type { Terminal } from '../../src/operations/command/terminal.ts'
import { serveAdminSocket } from '../../src/operations/api/socket.ts'
import type { Rig } from '../rig.ts'

/** Runs `cmb` as a user or a script does, against a broker that listens on its unix socket. */
export interface Ran {
  code: number
  out: string
  err: string
  // The caller names the type of the output, as with `response.json()`.
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters
  json<T = Record<string, unknown>>(): T
}

/** A terminal that shows nothing. */
export const silent: Terminal = {
  env: {},
  out: () => {},
  err: () => {},
  user: 'olga',
  ask: undefined,
  input: async () => '',
}

export async function cmb(
  args: string[],
  options: {
    dataDir: string
    answer?: string
    input?: string
    env?: Record<string, string>
    user?: string
  },
): Promise<Ran> {
  let out = ''
  let err = ''
  const { answer } = options
  const terminal: Terminal = {
    env: { BROKER_DATA_DIR: options.dataDir, ...options.env },
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    user: options.user ?? 'olga',
    ask: answer === undefined ? undefined : async (question) => ((err += question), answer),
    input: async () => options.input ?? '',
  }
  const code = await run(args, terminal)
  const parse: Ran['json'] = () => JSON.parse(out)
  return { code, out, err, json: parse }
}

/** Returns a function that runs `cmb` against the rig's broker. */
export async function startCmb(rig: Rig) {
  const socket = await serveAdminSocket(rig.deps)
  onTestFinished(() => socket.close())
  const type = (
    args: string[],
    options: { answer?: string; input?: string; env?: Record<string, string> } = {},
  ): Promise<Ran> => cmb(args, { dataDir: rig.config.dataDir, ...options })
  return { type, socket }
}
