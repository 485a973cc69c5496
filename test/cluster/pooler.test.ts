import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { POOL_MODES, Pooler } from '../pooler.ts'
import { createDatabase, HAS_POSTGRES, sql } from '../postgres.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'

/** Two brokers whose Postgres is behind a real PgBouncer, set up as docs/scale-out.md says. */

describe.skipIf(!HAS_POSTGRES).each(POOL_MODES)('brokers behind PgBouncer in %s mode', (mode) => {
  let pooler: Pooler
  let brokers: [Rig, Rig]
  let client: RegisteredClient
  beforeEach(async () => {
    const database = await createDatabase()
    onTestFinished(() => database.drop())
    const [direct, name] = [
      database.url,
      new URL(database.url.replace('@/', '@localhost/')).pathname.slice(1),
    ]
    await sql(direct, `ALTER ROLE postgres IN DATABASE ${name} SET search_path = broker`)
    pooler = await Pooler.open({
      host: new URLSearchParams(direct.split('?')[1]).get('host') ?? '',
      mode,
    })
    onTestFinished(() => pooler.close())
    const config = {
      databaseUrl: pooler.url(name),
      ...(mode === 'transaction' && { databaseDirectUrl: direct }),
    }
    brokers = [
      await createRig({ realTime: true, config }),
      await createRig({ realTime: true, config }),
    ]
    client = await brokers[0].register('Sydney')
    await expect.poll(() => brokers[1].clients.find(client.clientId)).toBeDefined()
  })

  const ask = (rig: Rig, path: string, form: Record<string, string>) =>
    rig.post(path, form, { authorization: client.basic })
  const introspect = async (rig: Rig, token: string): Promise<unknown> => {
    const answer = await ask(rig, '/introspect', { token })
    return answer.status === 200
      ? ((await answer.json()) as { active: boolean }).active
      : answer.status
  }

  test('tokens are rotated, checked and revoked on both, notifications arrive, and a restart of the pooler costs only what was under way', async () => {
    const [a, b] = brokers
    const signedIn = async () => a.signInAt((await a.openSession()).session.sid, client)
    const [first, second] = [await signedIn(), await signedIn()]
    await expect.poll(async () => (await a.store.databaseFacts())?.notified).toBe(true)
    const refresh = async (token = '') =>
      (await (
        await ask(b, '/token', { grant_type: 'refresh_token', refresh_token: token })
      ).json()) as Partial<typeof first>
    let rotated: Partial<typeof first> = {}
    await expect
      .poll(async () => (rotated = await refresh(first.refresh_token)))
      .toHaveProperty('access_token')
    const { access_token: token = '' } = rotated

    // More requests at once than a broker has connections: the pooler passes connections on between
    // prepared statements.
    const manyAtOnce = () =>
      [...Array(40).keys()].map((n) => introspect(n % 2 === 0 ? a : b, token))
    for (const answer of await Promise.all(manyAtOnce())) expect([true, 503]).toContain(answer)
    const underWay = manyAtOnce()
    await pooler.restart()
    for (const answer of await Promise.all(underWay)) expect([true, 503]).toContain(answer)
    for (const rig of brokers) await expect.poll(() => introspect(rig, token)).toBe(true)

    await expect
      .poll(async () => (await ask(a, '/revoke', { token: rotated.refresh_token ?? '' })).status)
      .toBe(200)
    for (const rig of brokers) {
      await expect.poll(() => introspect(rig, token)).toBe(false)
      await expect.poll(() => introspect(rig, second.access_token)).toBe(true)
      expect(rig.lines.join('\n')).not.toContain('prepared statement')
    }
    await expect
      .poll(() => refresh(rotated.refresh_token))
      .toMatchObject({ error: 'invalid_grant' })
  })
})
