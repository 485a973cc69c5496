import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createGuard, type Guard, type SessionClaims } from '@case-manager/guard'
import { CLIENT_ID, startIssuer } from './issuer.ts'
import { quantile } from '../machine/machine.ts'

/**
 * The cost of one check in the instance's own process: of a token that was seen before, and of a
 * session, while the ledger is empty and while it is full. Rounds of both alternate.
 */
export interface OwnChecks {
  /** The number of revocations that the broker has sent at the start. */
  offered: number
  /** The number of them that the guard keeps one by one. */
  kept: number
  startMs: number
  heapMB: number
  tokenMicroseconds: number
  sessionMicroseconds: number
}

const TOKENS = 200
const ROUNDS = 5
const ROUND_MS = 500

export async function ownChecks(offered: number): Promise<OwnChecks> {
  const issuer = await startIssuer(TOKENS, offered)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const heap = (): number => {
    collect()
    return process.memoryUsage().heapUsed / 1e6
  }
  const heapBefore = heap()
  const guard = createGuard({
    issuer: issuer.url,
    clientId: CLIENT_ID,
    clientSecret: 'bench',
    hooks: { problem: (error) => console.error(error) },
  })
  try {
    guard.judgeSessions()
    const from = performance.now()
    await guard.start()
    const startMs = Math.round(performance.now() - from)
    const heapMB = Math.round(heap() - heapBefore)
    const checks = await measure(guard, issuer.tokens, issuer.sessions)
    return { offered, kept: guard.status().entries, startMs, heapMB, ...checks }
  } finally {
    await guard.stop()
    issuer.close()
  }
}

async function measure(
  guard: Guard,
  tokens: readonly string[],
  sessions: readonly SessionClaims[],
): Promise<{ tokenMicroseconds: number; sessionMicroseconds: number }> {
  const token = async (n: number): Promise<boolean> => (await guard.check(tokens[n] ?? '')).ok
  const session = async (n: number): Promise<boolean> =>
    (await guard.checkSession(sessions[n] ?? {})).state === 'live'
  const rounds: [number, number][] = []
  for (let round = 0; round <= ROUNDS; round++)
    rounds.push([await microseconds(token), await microseconds(session)])
  // The first round compiles.
  const median = (which: 0 | 1): number =>
    Number(
      quantile(
        rounds.slice(1).map((round) => round[which]),
        0.5,
      ).toFixed(2),
    )
  return { tokenMicroseconds: median(0), sessionMicroseconds: median(1) }
}

/** Returns the CPU time of a check, which other programs on the machine change less than time. */
async function microseconds(check: (n: number) => Promise<boolean>): Promise<number> {
  let checks = 0
  const [from, used] = [performance.now(), process.cpuUsage()]
  while (performance.now() - from < ROUND_MS) {
    for (let n = 0; n < TOKENS; n++)
      if (!(await check(n))) throw new Error('The guard rejects what is valid.')
    checks += TOKENS
  }
  const { system, user } = process.cpuUsage(used)
  return (system + user) / checks
}
