import { randomBytes } from 'node:crypto'
import { ms } from '../machine/machine.ts'
import { createMigrated, startPostgres, SYNCED } from '../servers/postgres.ts'
import { QueueProcess } from '../servers/queue.ts'
import { Receivers } from '../clients/receivers.ts'
import { inlineSignOuts, signOuts, startGuards, type SignOuts } from './sign-out.ts'
import { freePort, openStage, waitFor, type Stage } from '../servers/stage.ts'

/**
 * Several brokers on one Postgres: the time from the commit of a sign-out at the first broker until
 * the last guard that follows the last broker rejects, and until the last instance to which that
 * broker delivers has its logout token. The first broker does no background work, so every delivery
 * goes through the queue server.
 */

export interface Across extends SignOuts {
  brokers: number
  /** The same signatures and POSTs by one process that stores nothing, on the brokers' core. */
  limit: Omit<SignOuts, 'lastGuard'>
}

interface Parts {
  core: string | undefined
  brokers: number
  instances: number
  rounds: number
  /** The number of rounds before the measured ones. */
  warmUp: number
  alg: 'ES256' | 'RS256'
}

async function acrossBrokers({
  core,
  brokers,
  instances,
  rounds,
  warmUp,
  alg,
}: Parts): Promise<Across> {
  const closing: (() => unknown)[] = []
  try {
    const receivers = await Receivers.open(instances)
    closing.push(() => receivers.close())
    const stages = await openStages(core, brokers, closing)
    const [first, last] = [stages[0], stages.at(-1)]
    if (first === undefined || last === undefined) throw new Error('--brokers: at least 1.')
    const clients = receivers.uris.map((_, n) => `c${n}`)
    await first.register(
      receivers.uris.map((logoutUri, n) => ({ clientId: `c${n}`, logoutUri, alg })),
    )
    // The broker that the guards follow learns of the clients within a second.
    await waitFor(
      'the last broker to know the clients',
      async () => (await last.ask('known', {})).clients === instances,
      10,
    )
    const guards = await startGuards(first, clients, last)
    closing.push(() => Promise.all(guards.map((guard) => guard.stop())))
    await signOuts({ stage: first, receivers, clients, guards, rounds: warmUp })
    const measured = await signOuts({ stage: first, receivers, clients, guards, rounds })
    return {
      brokers,
      ...measured,
      limit: await inlineSignOuts({ core, receivers, count: instances, rounds, alg }),
    }
  } finally {
    for (const close of closing.reverse()) await close()
  }
}

async function openStages(
  core: string | undefined,
  brokers: number,
  closing: (() => unknown)[],
): Promise<Stage[]> {
  const postgres = await startPostgres(SYNCED)
  closing.push(() => postgres.stop())
  const databaseUrl = await createMigrated(postgres)
  const queue = await QueueProcess.open(await freePort())
  closing.push(() => queue.close())
  const port = await freePort()
  const shared = {
    BROKER_ISSUER: `http://localhost:${port}`,
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATABASE_URL: databaseUrl,
    BROKER_QUEUE_URL: queue.url,
  }
  const stages: Stage[] = []
  for (let n = 1; n <= brokers; n++) {
    // The issuer's address is that of the last broker, so that the guards follow it.
    const stage = await openStage(
      core,
      { ...shared, BROKER_WORK: n === brokers ? 'all' : 'none' },
      n === brokers ? port : undefined,
    )
    closing.push(() => stage.stop())
    stages.push(stage)
  }
  return stages
}

/** Measures one algorithm, and prints the figures. */
export async function measureAcross(parts: Parts): Promise<Across> {
  const { brokers, instances, rounds, alg } = parts
  console.log(
    `\n${alg}: ${brokers} brokers on one Postgres (synchronous_commit=on, no standby) and one queue server: sign-out at the first, ${instances} guards and ${instances} instances at the last; ${rounds} sign-outs`,
  )
  const across = await acrossBrokers(parts)
  const guard = across.lastGuard === undefined ? '' : `; last guard rejects ${ms(across.lastGuard)}`
  console.log(
    `   user waits ${ms(across.waited)}; last delivery ${ms(across.lastDelivered)}${guard} after the commit (aim: 150 ms)`,
  )
  console.log(
    `   the same signatures and POSTs, nothing stored: last delivery ${ms(across.limit.lastDelivered)}`,
  )
  return across
}
