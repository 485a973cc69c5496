import { readFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import { completeClock, type Clock } from '../clock.ts'
import { openGuard, type Guard } from '../guard.ts'
import type { GuardOptions } from '../options.ts'
import { listen, removeSocket, type Address } from './addresses.ts'
import { checks } from './checks.ts'
import { EndedStream } from './ended-stream.ts'
import { createSigner, IdentityHeaders } from './identity.ts'
import { local } from './local.ts'
import { metricsText } from './metrics.ts'
import { readRules, type Rule } from './rules.ts'
import { Sessions } from './sessions.ts'
import type { ServeConfig } from './settings.ts'
import { flagOf, type Name } from './setting-table.ts'

/** Runs `guard serve`: the guard as a process, for programs in any language. */

const STOP_MS = 5000
const HTTP = {
  // The proxy closes idle connections. If this server did, the proxy would sometimes send a check
  // into a closing one.
  keepAliveTimeout: 0,
  keepAlive: true,
  // The user's tokens and cookies are in the headers.
  maxHeaderSize: 64 * 1024,
  requestTimeout: 30_000,
  // A check has no body. Where Node supports it, no stream is made for one, which saves a tenth of
  // the time.
  optimizeEmptyRequests: true,
}

export interface Serving {
  /** The listeners' addresses for clients. */
  checkAddress: string
  localAddress: string
  guard: Guard
  /** Resolves when tokens can be accepted. */
  live: Promise<void>
  /** Reloads the rules. @returns the problems; with any, the former rules stay in force */
  reload(): string[]
  stop(): Promise<void>
}

interface ServeOptions {
  config: ServeConfig
  /** Reports a problem that needs an operator. */
  problem: (error: Error) => void
  guard?: Pick<GuardOptions, 'clock' | 'fetch' | 'random'> | undefined
  mostSessions?: number | undefined
}

/**
 * Starts the guard and its listeners.
 * @throws TypeError with every problem of the rules and options; Error if an address is in use
 */
export async function serve({
  config,
  guard: given,
  mostSessions,
  problem,
}: ServeOptions): Promise<Serving> {
  let rules = rulesOf(config.rulesFile)
  const { guard, known } = openGuard({ ...config.guard, ...given, hooks: { problem } })
  const clock = completeClock(given?.clock)
  const signer =
    config.identityAudience === undefined
      ? undefined
      : await createSigner({ guardId: guard.id, audience: config.identityAudience, clock })
  const identity = new IdentityHeaders({
    prefix: config.identityPrefix,
    names: config.identityHeaders,
    signer,
    clock,
  })
  const ended = new EndedStream({ clock, run: crypto.randomUUID(), isKnown: () => knows(guard) })
  const sessions = new Sessions({
    guard,
    say: (event, session) => ended.send(event, session),
    most: mostSessions,
  })
  const stop = new AbortController()
  const { counters, listener } = checks({
    ...config,
    publicAddresses: [config.guard.publicAddress ?? []].flat(),
    guard,
    known,
    identity,
    sessions,
    problem,
    rules: () => rules,
    stopping: stop.signal,
  })
  const metrics = (): string => metricsText({ guard, checks: counters, sessions, ended })
  if (config.judgesSessions) guard.judgeSessions()
  const localListener = local({ config, guard, sessions, ended, signer, metrics })
  const wanted: Wanted[] = [
    ['listen', config.listen, listener],
    ['local_listen', config.localListen, localListener],
  ]
  const servers = await open(wanted, clock)
  ended.watch()
  return {
    checkAddress: servers[0]?.address ?? '',
    localAddress: servers[1]?.address ?? '',
    guard,
    live: guard.start(),
    reload() {
      const read = readRulesFile(config.rulesFile)
      if (read.ok) rules = read.rules
      return read.ok ? [] : read.problems
    },
    async stop() {
      stop.abort()
      ended.close()
      await Promise.all(servers.map((server) => server.close()))
      await guard.stop()
    },
  }
}

const knows = (guard: Guard): boolean => guard.status().leaseMs > 0

function readRulesFile(file: string): ReturnType<typeof readRules> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    return {
      ok: false,
      problems: [`The rules in ${file} cannot be read: ${(error as Error).message}.`],
    }
  }
  const read = readRules(text)
  return read.ok
    ? read
    : { ok: false, problems: read.problems.map((problem) => `${file}: ${problem}`) }
}

function rulesOf(file: string): readonly Rule[] {
  const read = readRulesFile(file)
  if (!read.ok) throw new TypeError(read.problems.join('\n'))
  return read.rules
}

/** Returns the problems of the rules file, for `--check`. */
export const rulesProblems = (file: string): string[] => {
  const read = readRulesFile(file)
  return read.ok ? [] : read.problems
}

type Wanted = [setting: Name, address: Address, listener: RequestListener]
interface Opened {
  address: string
  close(): Promise<void>
}

/** Opens all listeners. If one fails, closes the others. */
async function open(wanted: readonly Wanted[], clock: Clock): Promise<Opened[]> {
  const opened: Opened[] = []
  for (const [setting, address, listener] of wanted) {
    const server = createServer(HTTP, listener)
    // Node 20 silently drops headers after about a thousand, such as an identity header or a second
    // token. Their total size is limited instead.
    server.maxHeadersCount = 0
    try {
      opened.push({
        address: await listen(server, address),
        close: () => close(server, address, clock),
      })
    } catch (error) {
      await Promise.all(opened.map((before) => before.close()))
      throw new Error(`${(error as Error).message} Another address: ${flagOf(setting)}.`, {
        cause: error,
      })
    }
  }
  return opened
}

/** Closes a server after its pending answers, within a time limit. */
async function close(server: Server, address: Address, clock: Clock): Promise<void> {
  const cancel = clock.after(STOP_MS, () => server.closeAllConnections())
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  cancel()
  removeSocket(address)
}
