import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { FABRIKAM } from '../../../demo/entra/users.ts'
import type { Line } from '../../line.ts'
import type { BrokerProcess } from '../broker-process.ts'
import { brokerIn, Violation } from './users.ts'

/**
 * One broker's line to Postgres drops everything for more than a minute. Changes that another
 * broker makes meanwhile must apply to the first answer after the line is repaired.
 */

/** Longer than a guard's lease and a broker's patience. */
const CUT_MS = 65_000
const LIMIT_SECONDS = 36_000

interface Robot {
  client_id: string
  client_secret: string
}

export async function cutOffForAMinute(
  victim: BrokerProcess,
  other: BrokerProcess,
  line: Line,
): Promise<void> {
  const [broker, own] = await Promise.all(
    [other, victim].map(({ env }) => brokerIn(env['BROKER_DATA_DIR'] ?? '')),
  )
  if (broker === undefined || own === undefined) return
  const robot = {
    client_name: 'A robot',
    grant_types: ['client_credentials'],
    scope: 'broker:audit',
  }
  const register = () =>
    broker.send<Robot>('POST', '/clients', { ...robot, client_id: `robot-${randomUUID()}` })
  const lock = ({ client_id }: Robot) =>
    broker.send<{ lock: { id: string } }>('POST', '/locks', {
      target: { kind: 'client', client_id },
    })
  const limit = (seconds: number | null) =>
    broker.send('PATCH', `/tenants/${FABRIKAM.tid}`, { max_authentication_age: seconds })
  const [removed, locked, lifted] = [await register(), await register(), await register()]
  const open = await lock(lifted)
  const tokenFor =
    ({ client_id: id, client_secret: secret }: Robot) =>
    async (): Promise<number> => {
      const headers = {
        authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
      }
      const init = {
        method: 'POST',
        headers,
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      }
      return (
        await fetch(`http://${victim.env['BROKER_LISTEN']}/token`, init).catch(() => ({
          status: 503,
        }))
      ).status
    }
  const limitShown = async (): Promise<number | null> => {
    const shown = await own
      .get<{ tenants: { tid: string; max_authentication_age?: number }[] }>('/tenants')
      .catch(() => undefined)
    return shown === undefined
      ? 503
      : (shown.tenants.find(({ tid }) => tid === FABRIKAM.tid)?.max_authentication_age ?? null)
  }
  // Waits until the broker knows everything before the cut.
  while (
    (await Promise.all([tokenFor(removed)(), tokenFor(locked)()])).some((status) => status !== 200)
  )
    await sleep(100)
  line.swallow()
  await sleep(CUT_MS / 2)
  await broker.send('DELETE', `/clients/${removed.client_id}`)
  await lock(locked)
  await broker.send('POST', `/locks/${open.lock.id}/lift`, {})
  await limit(LIMIT_SECONDS)
  await sleep(CUT_MS / 2)
  await line.repair()
  await Promise.all([
    firstAnswer('a client that was removed', tokenFor(removed), 401),
    firstAnswer('a client that was locked', tokenFor(locked), 400),
    firstAnswer('a client whose lock was lifted', tokenFor(lifted), 200),
    firstAnswer('a tenant whose limit was changed', limitShown, LIMIT_SECONDS),
  ])
  await limit(null)
}

/**
 * Waits for the first answer other than 503.
 * @throws Violation if it is not the expected one
 */
async function firstAnswer<T>(what: string, ask: () => Promise<T>, expected: T): Promise<void> {
  let answer = await ask()
  for (
    const untilMs = performance.now() + 60_000;
    answer === 503 && performance.now() < untilMs;
    answer = await ask()
  )
    await sleep(10)
  if (answer !== expected)
    throw new Violation(
      `A broker that had been cut off first answered ${String(answer)} and not ${String(expected)} for ${what}.`,
    )
}
