import { basic, waitFor, type Stage } from '../servers/stage.ts'
import { cpuSeconds, preciseMs, quantile, round, spread, type Spread } from '../machine/machine.ts'
import type { Receivers } from '../clients/receivers.ts'

/**
 * Signs out all users of a tenant at once: one row revokes them, and then each instance gets a
 * logout token for each user. It measures the rate, the memory, and the effect on refreshes of
 * other users.
 */

export interface Many {
  users: number
  deliveries: number
  perSecond: number
  /** Processor time of the broker for one delivery. */
  microsecondsEach: number
  /** The time from the commit to the answer of a healthy instance. */
  healthy: Spread
  rssMb: { before: number; most: number }
  refreshes: { quiet: Spread; meanwhile: Spread }
}

const REFRESHES_PER_SECOND = 50
const QUIET_SECONDS = 5

/**
 * Signs many users out at once, and measures the deliveries.
 * @param deaf instances that hang or reject connections, whose deliveries stay pending
 */
export async function signOutMany(parts: {
  stage: Stage
  receivers: Receivers
  clients: readonly string[]
  users: number
  tid: string
  refreshing: Refreshing
  deaf?: readonly number[]
}): Promise<Many> {
  const { stage, receivers, clients, users, tid, refreshing, deaf = [] } = parts
  await stage.ask('sessions', { count: users, clients: [...clients], tid, codes: false })
  const rssBefore = (await stage.ask('state', {})).rssMb
  const quiet = await refreshing.during(
    () => new Promise((done) => setTimeout(done, QUIET_SECONDS * 1000)),
  )

  const expected = users * (clients.length - deaf.length)
  const arrivals: number[] = []
  let committedSeq = Infinity
  receivers.onArrival((instance, { rev, atMs }) => {
    if (rev >= committedSeq - 1 && !deaf.includes(instance)) arrivals.push(atMs)
  })
  committedSeq = 0
  let most = rssBefore
  let committedMs = 0
  const cpuBefore = cpuSeconds(stage.pid)
  const meanwhile = await refreshing.during(async () => {
    committedMs = (await stage.ask('revoke', { selector: { kind: 'tenant', tid } })).atMs
    let lookedMs = 0
    await waitFor('the deliveries to all instances', async () => {
      if (preciseMs() - lookedMs > 500) {
        lookedMs = preciseMs()
        most = Math.max(most, (await stage.ask('state', {})).rssMb)
      }
      return arrivals.length >= expected
    })
  })
  const seconds = (Math.max(...[...arrivals.slice(-1000)]) - committedMs) / 1000
  return {
    users,
    deliveries: expected,
    perSecond: Math.round(expected / seconds),
    microsecondsEach: Math.round(((cpuSeconds(stage.pid) - cpuBefore) / expected) * 1e6),
    healthy: {
      p50: round(quantile(arrivals, 0.5) - committedMs),
      p99: round(quantile(arrivals, 0.99) - committedMs),
    },
    rssMb: { before: rssBefore, most },
    refreshes: { quiet, meanwhile },
  }
}

export interface Refreshing {
  /**
   * Sends refreshes at an even rate, whether or not they are answered, while `act` runs. Returns
   * how long they took.
   */
  during(act: () => Promise<unknown>): Promise<Spread>
}

/** Opens sessions of another tenant, whose users continue to work. */
export async function startRefreshing(stage: Stage, clientId: string): Promise<Refreshing> {
  const tid = '99999999-9999-4999-8999-999999999999'
  const tokens = (await stage.signIn({ count: 100, clientId, tid })).map(
    ({ refresh_token }) => refresh_token,
  )
  const headers = {
    authorization: basic(clientId, stage.secret(clientId)),
    'content-type': 'application/x-www-form-urlencoded',
  }
  let next = 0
  const refresh = async (took: number[]): Promise<void> => {
    const index = next++ % tokens.length
    const from = preciseMs()
    const body = `grant_type=refresh_token&refresh_token=${tokens[index] ?? ''}`
    const answer = await stage.pool.request({ path: '/token', method: 'POST', headers, body })
    const text = await answer.body.text()
    if (answer.statusCode !== 200)
      throw new Error(`A refresh was answered with ${answer.statusCode}: ${text}`)
    took.push(preciseMs() - from)
    tokens[index] = (JSON.parse(text) as { refresh_token: string }).refresh_token
  }
  return {
    async during(act) {
      const took: number[] = []
      const under: Promise<void>[] = []
      const timer = setInterval(() => under.push(refresh(took)), 1000 / REFRESHES_PER_SECOND)
      try {
        await act()
      } finally {
        clearInterval(timer)
      }
      await Promise.all(under)
      return spread(took)
    },
  }
}
