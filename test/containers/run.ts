import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TokenEndpointResponse } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createGuard, type Guard } from '@case-manager/guard'
import { ROOT } from '../markdown.ts'
import { until } from '../process/broker-process.ts'
import { freePorts } from '../process/ports.ts'
import { hasEngine, NGINX } from './engine.ts'
import { Load } from './load.ts'
import { blocksUnder, openStack, type Stack } from './stack.ts'
import { newBrowser, refresh, register, signIn, signOut, SYDNEY } from './sydney.ts'

/** Checks the documentation of containers with a real engine, the images and compose.yaml. */

const NAME = 'cmb-containers-test'
const engine = hasEngine()

describe.runIf(engine)('one broker on SQLite', () => {
  let stack: Stack
  let secret: string
  beforeAll(async () => {
    stack = await openStack(NAME, '172.30.73.1')
    await stack.startProxy()
    const [setUp = ''] = blocksUnder('operations.md', 'With containers')
    expect(await stack.sh(setUp)).toMatch(/(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}/)
    secret = await register(stack, 'broker')
  })
  afterAll(() => stack?.end())

  test('a user signs in and out behind nginx, and the broker knows the address of the browser', async () => {
    const browser = newBrowser(stack)
    const { refresh_token: token } = await signIn(stack, browser, secret)
    await signOut(stack, browser)
    expect(await refresh(stack, secret, token)).toBe(400)
    const from = [
      ...(await stack.sh('docker compose logs --no-log-prefix broker')).matchAll(
        /"from":"([^"]*)"/g,
      ),
    ].map(([, address]) => address)
    expect(new Set(from)).toEqual(new Set(['127.0.0.1']))
  })

  test('a backup is made and restored as documented: every session has ended', async () => {
    const [, , backup = '', restore = ''] = blocksUnder('operations.md', 'With containers')
    const { refresh_token: token } = await signIn(stack, newBrowser(stack), secret)
    await stack.sh(backup)
    await stack.sh('chmod 644 backup.db')
    await stack.sh(restore)
    expect(await refresh(stack, secret, token)).toBe(400)
    expect((await signIn(stack, newBrowser(stack), secret)).refresh_token).toBeDefined()
  })

  test('guard serve, with a proxy in another container, rejects what has ended', async () => {
    const browser = newBrowser(stack)
    const { access_token: token } = await signIn(stack, browser, secret)
    stack.write('secrets/guard_client_secret', secret)
    const [setUp = ''] = blocksUnder('guard-serve.md', 'In a container')
    await stack.sh(setUp)
    stack.write('app.conf', APPLICATION)
    const [port = 0] = await freePorts(1)
    const mounts = `-v ${NAME}_guard-sockets:/run/guard -v "$PWD/app.conf:/app.conf:ro" --tmpfs /tmp`
    await stack.sh(
      `docker run -d --name ${NAME}-app --user 101:1000 -p 127.0.0.1:${port}:8080 ${mounts} ${NGINX} nginx -c /app.conf`,
    )
    const asked = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${port}/`, {
        headers: { authorization: `Bearer ${token}` },
      }).catch(() => undefined)
      return response?.status ?? 0
    }
    await until('the application answers', async () => (await asked()) === 200)
    await signOut(stack, browser)
    await until('it is rejected', async () => (await asked()) === 401, 5)
  })
})

/** An nginx in front of an application, which calls the guard through its socket. */
const APPLICATION = `daemon off;
pid /tmp/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
  ${readFileSync(join(ROOT, 'examples/nginx/guard.conf'), 'utf8').replace('127.0.0.1:7410', 'unix:/run/guard/check.sock').replace('127.0.0.1:8080', '8080')}
  server { listen 127.0.0.1:3000; return 200; }
}
`

describe.runIf(engine)('two brokers on two Postgres servers', () => {
  let stack: Stack
  let secret: string
  let load: Load
  let guard: Guard
  beforeAll(async () => {
    stack = await openStack(NAME, '172.30.74.1')
    await stack.startProxy()
    await stack.sh(
      (blocksUnder('operations.md', 'With containers')[0] ?? '').replace(/^docker .*\n/gm, ''),
    )
    const [setUp = ''] = blocksUnder('scale-out.md', 'Run it with compose')
    // cmb doctor is left out: inside the container it cannot reach the issuer's name.
    await stack.sh(setUp.replace(/cmb doctor$/m, 'cmb status'))
    secret = await register(stack, 'broker-a')
    guard = createGuard({
      issuer: stack.issuer,
      clientId: SYDNEY.id,
      clientSecret: secret,
      audience: SYDNEY.audience,
      fetch: stack.fetch,
    })
    await guard.start()
    load = new Load(stack, secret)
    await load.during('started', async () => undefined)
  })
  afterAll(async () => {
    load?.stop()
    await guard?.stop()
    await stack?.end()
  })

  /** Ends a session, and checks that both brokers and the guard reject it. */
  const endsASession = async (): Promise<void> => {
    // The proxy asks for the brokers' health once in a while, so it may take a broker out of service
    // after that broker has issued tokens again.
    await load.steady()
    const browser = newBrowser(stack)
    const tokens = await signIn(stack, browser, secret)
    await until('the guard accepts it', async () => (await guard.check(tokens.access_token)).ok)
    await signOut(stack, browser)
    await until('the guard rejects it', async () => !(await guard.check(tokens.access_token)).ok, 5)
    expect(await refresh(stack, secret, tokens.refresh_token)).toBe(400)
  }

  test('a user signs in and out', endsASession)

  test('a killed broker takes along only what it was answering, and a stopped queue server nothing', async () => {
    const sh = (script: string) => () => stack.sh(script)
    // Only requests that the killed broker was answering are lost, never more than waited at once.
    const killed = await load.during('a broker killed', sh('docker compose kill broker-a'))
    expect(killed.failed).toBeLessThanOrEqual(killed.mostPending)
    // The proxy starts while one broker is down.
    await load.during('the proxy restarted', sh('docker compose restart proxy'))
    expect(
      await load.during('a broker started', sh('docker compose start broker-a')),
    ).toMatchObject({ failed: 0 })
    expect(
      await load.during('the queue’s server stopped', sh('docker compose stop valkey')),
    ).toMatchObject({ failed: 0 })
    await endsASession()
    expect(
      await load.during('the queue’s server started', sh('docker compose start valkey')),
    ).toMatchObject({ failed: 0 })
  })

  test('a primary that was killed goes on as the primary', async () => {
    await load.during('the primary killed and started', () =>
      stack.sh('docker compose kill postgres-a; docker compose start postgres-a'),
    )
    await endsASession()
  })

  test('the documented failover, and the way back, lose nothing', async () => {
    const [over = ''] = blocksUnder('scale-out.md', 'Fail over with compose')
    const tokens = await signIn(stack, newBrowser(stack), secret)
    await load.during('failed over', () => stack.sh(over))
    expect(await refresh(stack, secret, tokens.refresh_token)).toBe(200)
    expect(await stack.sh('docker compose logs postgres-a')).toContain('postgres-b took its place')
    await endsASession()
    const back = over.replace(
      /postgres-([ab])/g,
      (_, letter) => `postgres-${letter === 'a' ? 'b' : 'a'}`,
    )
    await load.during('failed back', () => stack.sh(back))
    await endsASession()
  })

  test('a standby whose volume was lost begins with a copy, also after an interrupted one, and of a primary that waited for it', async () => {
    const [, alone = ''] = blocksUnder('scale-out.md', 'Fail over with compose')
    const lost = `docker compose rm -fsv postgres-b; docker volume rm ${NAME}_postgres-b-data; docker compose restart postgres-a`
    const interrupted =
      'docker compose run --rm --no-deps --entrypoint mkdir postgres-b -p /var/lib/postgresql/data/copy/global'
    await load.during('the standby lost', () => stack.sh(`${lost}; ${interrupted}; ${alone}`))
    await endsASession()
  })

  test('no request fails during the documented upgrade', async () => {
    const [upgrade = ''] = blocksUnder('scale-out.md', 'Upgrade with compose')
    expect(
      await load.during('upgraded', () =>
        stack.sh(upgrade.replaceAll('--wait ', '--wait --force-recreate ')),
      ),
    ).toMatchObject({ failed: 0 })
  })

  /** Checks the promise of `cmb restore` and `restore --adopt`: every session has ended. */
  const expectSignedOut = async (tokens: TokenEndpointResponse): Promise<void> => {
    await until(
      'it has ended',
      async () => (await refresh(stack, secret, tokens.refresh_token)) === 400,
    )
    await until('the guard rejects it', async () => !(await guard.check(tokens.access_token)).ok)
    await endsASession()
  }

  test('a dump by Postgres’s own tools is restored as documented: every session has ended', async () => {
    const [dump = '', restore = ''] = blocksUnder('scale-out.md', "With Postgres's own tools")
    const tokens = await signIn(stack, newBrowser(stack), secret)
    await stack.sh(dump)
    // Without a broker the proxy itself answers.
    const answers = async (): Promise<boolean> =>
      (await (await stack.fetch(`${stack.issuer}/healthz`)).text()).includes('No broker answers.')
    await Promise.all([stack.sh(restore), until('no broker answers', answers, 60)])
    await expectSignedOut(tokens)
  })

  test('a backup is made and restored as documented: every session has ended', async () => {
    const [, backup = '', restore = ''] = blocksUnder('scale-out.md', 'Run it with compose')
    const tokens = await signIn(stack, newBrowser(stack), secret)
    await stack.sh(`${backup}chmod 644 backup.db`)
    // Commands find the brokers' database, whose address is in a file.
    const cmb = (command: string): Promise<string> =>
      stack.sh(`docker compose exec -T broker-a cmb ${command}`)
    await cmb('backup /data/again.db')
    await expect(cmb('restore /data/again.db --yes')).rejects.toThrow('The database is in use')
    await expect(cmb('migrate-store --from /none.db')).rejects.toThrow(
      'There is no database /none.db',
    )
    await stack.sh(restore)
    await expectSignedOut(tokens)
  })
})
