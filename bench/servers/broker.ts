import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import { newClientSecret } from '../../src/clients/secret.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { Deps } from '../../src/deps.ts'
import { createLog } from '../../src/runtime/log.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import { newId, newSecret, newSid, newSub } from '../../src/runtime/ids.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { type Participant, receiptOf } from '../../src/revocation/receipt.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { startBroker } from '../../src/start.ts'
import { BenchClock, sharedMs } from '../lease-bound/clock.ts'
import { brokerSettings, REDIRECT_URI, VERIFIER } from './settings.ts'

/**
 * The whole broker as it serves, with its queue server and workers, on one core. Over the channel
 * the bench requests its setup: clients, sessions without a sign-in, and counts of pending
 * deliveries.
 */

export interface NewInstance {
  clientId: string
  logoutUri?: string | undefined
  alg: 'ES256' | 'RS256'
  /** Further members of its registration. */
  more?: Record<string, unknown>
}

export interface SeededSession {
  sid: string
  sub: string
  cookie: string
  /** A code for the first client. The stage's `exchange` gets tokens for it. */
  code: string
}

export interface Asked {
  clients: { in: { instances: NewInstance[] }; out: { secrets: Record<string, string> } }
  sessions: {
    in: { count: number; clients: string[]; tid: string; codes: boolean }
    out: { sessions: SeededSession[] }
  }
  revoke: { in: { selector: Selector }; out: { seq: number; atMs: number; acknowledgedMs: number } }
  /** Returns when the latest revocations were committed, by seq. */
  committed: { in: { limit: number }; out: { atMs: Record<string, number> } }
  state: { in: object; out: { rssMb: number; pending: number; streams: number; pid: number } }
  /** Returns how many clients the broker has in its registry. */
  known: { in: object; out: { clients: number } }
  /** Returns a code, as a further one of a session for another client. */
  code: { in: { sid: string; clientId: string }; out: { code: string } }
  /** Returns a receipt, and when it was written: by `sharedMs` and by the broker's clock. */
  receipt: {
    in: { seq: number }
    out: { participants: Participant[]; acknowledgedAtMs: number; atMs: number; nowMs: number }
  }
  /** Sets the wall clock of a broker with a simulated clock. */
  step: { in: { ms: number }; out: object }
  /** Its machine was suspended until now. Its wall clock was behind by as much. */
  resume: { in: { ms: number }; out: object }
  /** Suspends its machine. The caller stops the process for as long. */
  suspend: { in: { ms: number }; out: object }
}
type Name = keyof Asked
type Answers = { [N in Name]: (input: Asked[N]['in']) => Promise<Asked[N]['out']> }

const AT_ONCE = 10

/** Serves a broker that the bench drives by messages. */
async function serve(
  dataDir: string,
  port: number,
  settings: Record<string, string>,
  simulated: BenchClock | undefined,
): Promise<void> {
  const config = loadConfig({ ...brokerSettings(dataDir, port), ...settings })
  // Logs to a file, as a service does, so that a terminal does not slow the broker down.
  const output = createWriteStream(join(dataDir, 'broker.log'))
  const log = createLog((line) => {
    output.write(`${line}\n`)
    // Errors are expected where the bench causes faults.
    if (simulated === undefined && line.includes('"level":"error"'))
      process.stderr.write(`${line}\n`)
  }, Date.now)
  const broker = await startBroker(config, log, simulated && { clock: simulated })
  const answers = answersOf(broker.deps, simulated)
  process.on('message', (message: { id: number; name: Name; input: never }) => {
    void answers[message.name](message.input).then(
      (output) => process.send?.({ id: message.id, output }, () => {}),
      (error: unknown) => process.send?.({ id: message.id, failed: String(error) }, () => {}),
    )
  })
  const end = (): void => void broker.stop().then(() => process.exit(0))
  process.once('SIGTERM', end).once('disconnect', end)
  process.send?.({ ready: true, queue: broker.queueEngine })
}

function answersOf(deps: Deps, simulated: BenchClock | undefined): Answers {
  /** Returns when the `limit` revocations up to `to` were committed, by seq. */
  const commitTimes = async (to: number, limit: number): Promise<Record<string, number>> => {
    const rows = await deps.store.chainRows({ log: 'revocations', after: to - limit, to, limit })
    return Object.fromEntries(rows.map(({ number, fields }) => [number, Number(fields.at_ms)]))
  }
  return {
    async clients({ instances }) {
      const secrets: Record<string, string> = {}
      for (const { clientId, logoutUri, alg, more } of instances) {
        const wire = {
          client_name: clientId,
          redirect_uris: [REDIRECT_URI],
          id_token_signed_response_alg: alg,
          audience: `urn:bench:${clientId}`,
          ...more,
        }
        const parsed = parseClientMetadata(
          { ...wire, ...(logoutUri === undefined ? {} : { backchannel_logout_uris: [logoutUri] }) },
          { clientId, allowLoopback: true },
        )
        if (!parsed.ok) throw new Error(parsed.problems.join(' '))
        const { secret, hash } = newClientSecret(deps.random, deps.clock.now())
        secrets[clientId] = secret
        await deps.store.putClient({
          clientId,
          source: 'command',
          metadata: parsed.metadata,
          secrets: [hash],
          now: deps.clock.now(),
        })
      }
      await deps.clients.reload()
      return { secrets }
    },
    async sessions({ count, ...how }) {
      const sessions: SeededSession[] = []
      // Opens some at a time, so that few acts wait for the store.
      for (let left = count; left > 0; left -= 200)
        sessions.push(
          ...(await Promise.all(
            Array.from({ length: Math.min(200, left) }, () => open(deps, how)),
          )),
        )
      return { sessions }
    },
    async revoke({ selector }) {
      const answer = await requestRevocation(deps, {
        selector,
        reason: 'administrator',
        actor: { kind: 'operator', id: 'bench' },
        now: deps.clock.now(),
      })
      const acknowledgedMs = sharedMs()
      if (answer.outcome !== 'revoked') throw new Error(`Nothing was revoked: ${answer.outcome}`)
      const { seq } = answer.committed.revocation
      const times = await commitTimes(seq, 1).catch((): Record<string, number> => ({}))
      return { seq, atMs: times[seq] ?? 0, acknowledgedMs }
    },
    async committed({ limit }) {
      return { atMs: await commitTimes((await deps.store.head()).seq, limit) }
    },
    async state() {
      const pending = (await deps.store.deliveryCounts())
        .filter(({ state }) => state === 'pending')
        .reduce((sum, { count }) => sum + count, 0)
      return {
        rssMb: Math.round(process.memoryUsage().rss / 1_048_576),
        pending,
        streams: deps.feed.streams().length,
        pid: process.pid,
      }
    },
    async known() {
      return { clients: deps.clients.list().length }
    },
    async code({ sid, clientId }) {
      return { code: await codeFor(deps, sid, clientId, deps.clock.now()) }
    },
    async receipt({ seq }) {
      const receipt = await receiptOf(deps, seq)
      if (receipt === undefined) throw new Error(`There is no receipt of ${seq}.`)
      const { acknowledgedAtMs, participants } = receipt
      return { participants, acknowledgedAtMs, atMs: sharedMs(), nowMs: deps.clock.nowMs() }
    },
    async step({ ms }) {
      if (simulated !== undefined) simulated.stepMs = ms
      return {}
    },
    async resume({ ms }) {
      simulated?.resume(ms)
      return {}
    },
    async suspend({ ms }) {
      simulated?.suspend(ms)
      return {}
    },
  }
}

async function open(
  deps: Deps,
  how: { clients: string[]; tid: string; codes: boolean },
): Promise<SeededSession> {
  const now = deps.clock.now()
  const cookie = newSecret(deps.random)
  const opened = await deps.store.signIn({
    session: {
      user: { tid: how.tid, oid: newId(deps.random), name: 'Somebody' },
      authTime: now,
      visitStartedAt: now,
      idleSeconds: 8 * 3600,
      absoluteAt: now + 12 * 3600,
      acr: 'urn:case-manager:acr:mfa',
      roles: ['CaseManager.User'],
      staySignedIn: false,
      device: 'Firefox on Linux',
      cookieHash: sha256(cookie),
    },
    provenSeq: 0,
    ids: { sub: newSub(deps.random), sid: newSid(deps.random) },
    now,
  })
  if (opened.outcome !== 'signed_in') throw new Error(`Not signed in: ${opened.why}`)
  const { sid, sub } = opened.session
  const { seq: rev } = await deps.store.head()
  const [first = '', ...others] = how.clients
  const joining = how.codes ? others : how.clients
  // Some at a time, because a broker has few connections to Postgres.
  for (let at = 0; at < joining.length; at += AT_ONCE)
    await Promise.all(
      joining
        .slice(at, at + AT_ONCE)
        .map((joins) =>
          deps.store.checkAccess({ sid, sub, clientId: joins, rev, now, touch: false, joins }),
        ),
    )
  return { sid, sub, cookie, code: how.codes ? await codeFor(deps, sid, first, now) : '' }
}

async function codeFor(deps: Deps, sid: string, clientId: string, now: number): Promise<string> {
  const code = newSecret(deps.random)
  await deps.store.issueCode({
    sid,
    code: {
      codeHash: sha256(code),
      clientId,
      redirectUri: REDIRECT_URI,
      scope: 'openid offline_access',
      audience: `urn:bench:${clientId}`,
      codeChallenge: sha256(VERIFIER),
      expiresAt: now + 60,
    },
    now,
  })
  return code
}

const [dataDir = '', port, given = '{}'] = process.argv.slice(2)
/** The speed of a simulated clock, and by how much its wall clock is wrong at the start. */
const { BENCH_RATE, BENCH_STEP_MS, ...settings } = JSON.parse(given) as Record<string, string>
const simulated = BENCH_RATE === undefined ? undefined : new BenchClock(Number(BENCH_RATE))
if (simulated !== undefined) simulated.stepMs = Number(BENCH_STEP_MS ?? 0)
await serve(dataDir, Number(port), settings, simulated)
