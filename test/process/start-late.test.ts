import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createDatabase, HAS_POSTGRES } from '../postgres.ts'
import { prepareBroker, until } from './broker-process.ts'

test.skipIf(!HAS_POSTGRES)(
  'a broker whose first commit is confirmed too late goes on trying, says so, and then serves',
  async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const { broker, dispose } = await prepareBroker({
      env: { BROKER_DATABASE_URL: database.url },
    })
    onTestFinished(dispose)
    // Holds up each renewal of the lease, as a synchronous standby does that is too slow.
    const slow = new Client({ connectionString: database.url })
    await slow.connect()
    onTestFinished(() => slow.end())
    await slow.query('BEGIN; LOCK TABLE broker.processes IN SHARE MODE')
    const starting = broker.start()
    starting.catch(() => undefined)
    const line = () => /^.*"start_delayed".*$/m.exec(broker.output)?.[0]
    const said = await until('the broker says why it does not serve', () => line())
    expect(JSON.parse(said)).toMatchObject({ level: 'warn' })
    await slow.query('ROLLBACK')
    await starting
    expect((await fetch(`${broker.ops}/readyz`)).status).toBe(200)
  },
)
