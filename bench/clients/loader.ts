import { Pool } from 'undici'

/**
 * Sends refreshes as fast as a server answers: one connection a grant, each with the refresh token
 * of its last answer.
 */

export interface Target {
  url: string
  /** The token endpoint's path (default /token). */
  path?: string
  /** The value of the Authorization header. */
  authorization: string
  /** One refresh token a connection, replaced at each rotation. */
  refreshTokens: string[]
  /** DPoP proofs, one for each refresh. They are made before a round, so that it measures none. */
  proofs?: string[]
}

export interface Round {
  refreshes: number
  perSecond: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/**
 * Loads the server for some seconds.
 * @throws Error where an answer is not a 200: a rejected refresh would falsify the rate
 */
export async function load(target: Target, connections: number, seconds: number): Promise<Round> {
  const pool = new Pool(target.url, { connections, pipelining: 1 })
  const latencies: number[] = []
  const begun = performance.now()
  const until = begun + seconds * 1000
  const client = async (index: number): Promise<void> => {
    while (performance.now() < until) {
      const sent = performance.now()
      target.refreshTokens[index] = await refreshOnce(pool, target, index)
      latencies.push(performance.now() - sent)
    }
  }
  await Promise.all(Array.from({ length: connections }, (_, index) => client(index)))
  const took = (performance.now() - begun) / 1000
  await pool.close()
  latencies.sort((a, b) => a - b)
  const at = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? 0
  return {
    refreshes: latencies.length,
    perSecond: latencies.length / took,
    p50: at(0.5),
    p99: at(0.99),
  }
}

async function refreshOnce(pool: Pool, target: Target, index: number): Promise<string> {
  const proof = target.proofs?.pop()
  if (target.proofs !== undefined && proof === undefined)
    throw new Error('The proofs are used up: make more for each round.')
  const answer = await pool.request({
    path: target.path ?? '/token',
    method: 'POST',
    headers: {
      authorization: target.authorization,
      'content-type': 'application/x-www-form-urlencoded',
      ...(proof !== undefined && { dpop: proof }),
    },
    body: `grant_type=refresh_token&refresh_token=${target.refreshTokens[index] ?? ''}`,
  })
  const text = await answer.body.text()
  if (answer.statusCode !== 200)
    throw new Error(`A refresh was answered with ${answer.statusCode}: ${text}`)
  return (JSON.parse(text) as { refresh_token: string }).refresh_token
}

/** Says where a server of a bench is loaded, once it is ready. It then runs until SIGTERM. */
export const announceTarget = (target: Target): void => void process.send?.(target)
