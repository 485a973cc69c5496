import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createGuard, type Guard } from '@case-manager/guard'
import { CLIENT_ID, startIssuer, type Issuer } from './issuer.ts'
import { quantile } from '../machine/machine.ts'

/**
 * The cost of one check in the instance's own process: of a token that was seen before, of a
 * session, and of a token that was seen before with a new proof of its key, while the ledger is
 * empty and while it is full. Rounds of the three alternate.
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
  provedMicroseconds: number
}

const TOKENS = 200
const ROUNDS = 5
const ROUND_MS = 500
/**
 * The times that each bound token is proved in a round. All rounds together stay below the number
 * of proofs that a guard remembers (250,000).
 */
const PROOFS = 20

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
    const checks = await measure(guard, issuer)
    return { offered, kept: guard.status().entries, startMs, heapMB, ...checks }
  } finally {
    await guard.stop()
    issuer.close()
  }
}

async function measure(
  guard: Guard,
  { bound, sessions, tokens }: Issuer,
): Promise<Pick<OwnChecks, 'tokenMicroseconds' | 'sessionMicroseconds' | 'provedMicroseconds'>> {
  const token = async (n: number): Promise<boolean> => (await guard.check(tokens[n] ?? '')).ok
  const session = async (n: number): Promise<boolean> =>
    (await guard.checkSession(sessions[n] ?? {})).state === 'live'
  const rounds: [number, number, number][] = []
  for (let round = 0; round <= ROUNDS; round++) {
    const presented = await Promise.all(
      Array.from({ length: TOKENS * PROOFS }, (_, at) => bound.present(at % TOKENS)),
    )
    const proved = async (n: number): Promise<boolean> =>
      (await guard.check(bound.tokens[n] ?? '', presented.pop())).ok
    rounds.push([
      await microseconds(token),
      await microseconds(session),
      // The last proof is of the last token.
      await microseconds((n) => proved(TOKENS - 1 - n), PROOFS),
    ])
  }
  // The first round compiles.
  const median = (which: 0 | 1 | 2): number =>
    Number(
      quantile(
        rounds.slice(1).map((round) => round[which]),
        0.5,
      ).toFixed(2),
    )
  return {
    tokenMicroseconds: median(0),
    sessionMicroseconds: median(1),
    provedMicroseconds: median(2),
  }
}

/**
 * Returns the CPU time of a check, which other programs on the machine change less than time.
 * @param passes over all tokens. Default: as many as fit in a round
 */
async function microseconds(
  check: (n: number) => Promise<boolean>,
  passes?: number,
): Promise<number> {
  let checks = 0
  const [from, used] = [performance.now(), process.cpuUsage()]
  const isOver = (): boolean =>
    passes === undefined ? performance.now() - from >= ROUND_MS : checks >= passes * TOKENS
  while (!isOver()) {
    for (let n = 0; n < TOKENS; n++)
      if (!(await check(n))) throw new Error('The guard rejects what is valid.')
    checks += TOKENS
  }
  const { system, user } = process.cpuUsage(used)
  return (system + user) / checks
}
