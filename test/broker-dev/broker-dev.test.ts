import { createServer, request, type IncomingMessage } from 'node:http'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { SignedIn } from '../../broker-dev/src/api.ts'
import { mustBeNewEnough } from '../../broker-dev/src/node-version.ts'
import { run, type Running } from '../../broker-dev/src/run.ts'

/**
 * broker-dev in this process: the real broker, its work queue in memory, a simulated Microsoft, and
 * `/_control`.
 */

const dir = mkdtempSync(join(tmpdir(), 'cmb-dev-'))
const file = join(dir, 'clients.yaml')
const said: string[] = []
const logoutTokens: string[] = []
let failures = 1
const receiver = createServer((incoming, response) => {
  let body = ''
  incoming.on('data', (piece: Buffer) => (body += piece.toString()))
  incoming.on('end', () => {
    if (failures-- > 0) return void response.writeHead(503).end()
    logoutTokens.push(new URLSearchParams(body).get('logout_token') ?? '')
    response.writeHead(200).end()
  })
})
let dev: Running
/** Ends as soon as it is true; a busy machine may take long. */
const waiting = { timeout: 100_000, interval: 20 }
const LONG = 120_000

const entry = (id: string, more: string): string =>
  `  - client_id: ${id}\n    client_name: ${id}\n    redirect_uris: [http://localhost:9/${id}]\n    audience: http://localhost:9\n${more}`
const save = (text: string): void => {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}
let first = ''

beforeAll(async () => {
  await new Promise<void>((ready) => receiver.listen(0, '127.0.0.1', ready))
  const target = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/logout`
  writeFileSync(join(dir, 'melbourne.txt'), 'm'.repeat(40))
  first = `clients:\n${entry('sydney', `    client_secret: short\n    backchannel_logout_uris: ['${target}']\n`)}${entry('melbourne', '    client_secret_file: melbourne.txt\n')}${entry('page', '    token_endpoint_auth_method: none\n')}`
  save(first)
  const users = {
    users: [
      { username: 'alice@acme.example', roles: ['CaseManager.User', 'Auditor'] },
      { username: 'bob@acme.example' },
      { username: 'mia@acme.example', mfa: false },
    ],
  }
  dev = await run(
    { users, clients: file, settings: { BROKER_SESSION_LIMIT: '50' } },
    (text) => void said.push(text),
  )
}, LONG)
afterAll(async () => {
  await dev?.stop()
  receiver.closeAllConnections()
  receiver.close()
  rmSync(dir, { recursive: true, force: true })
})

async function control(
  act: string,
  body: unknown,
  headers: Record<string, string> = { [dev.facts.control.header]: dev.facts.control.secret },
) {
  const response = await fetch(`${dev.facts.control.url}/_control/${act}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return {
    status: response.status,
    body: (await response.json()) as SignedIn & {
      error?: string
      message?: string
      outcome?: string
    },
  }
}
const signIn = async (user: string, client?: string, more: object = {}): Promise<SignedIn> => {
  const { status, body } = await control('sign-in', {
    user,
    ...(client !== undefined && { client }),
    ...more,
  })
  expect(body).not.toHaveProperty('error')
  expect(status).toBe(200)
  return body
}
const refresh = (token: string | undefined) =>
  fetch(`${dev.facts.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from('sydney:short').toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token ?? '' }),
  })

describe('POST /_control/sign-in', { timeout: LONG }, () => {
  test('answers tokens for a user of the file, with the roles of the file, and the cookie of the session', async () => {
    expect(dev.facts.clients).toEqual([
      { client_id: 'sydney', client_secret: 'short' },
      { client_id: 'melbourne', client_secret: 'm'.repeat(40) },
      { client_id: 'page' },
    ])
    const { cookie, tokens } = await signIn('alice@acme.example', 'sydney')
    const claims = decodeJwt(tokens?.access_token ?? '')
    expect(claims).toMatchObject({
      iss: dev.facts.issuer,
      client_id: 'sydney',
      roles: ['CaseManager.User', 'Auditor'],
    })
    expect((await refresh(tokens?.refresh_token)).status).toBe(200)
    const account = await fetch(`${dev.facts.issuer}/account`, {
      headers: { cookie: `${cookie.name}=${cookie.value}` },
    })
    expect(await account.text()).toContain('alice@acme.example')
    // A second client joins the same session, as by single sign-on. So does a public client.
    for (const client of ['melbourne', 'page']) {
      const again = await signIn('alice@acme.example', client, {
        session: cookie.value,
        scope: 'openid',
      })
      expect(decodeJwt(again.tokens?.access_token ?? '')).toMatchObject({
        sid: claims.sid,
        client_id: client,
      })
    }
  })

  test('signs users in side by side, each as themselves', async () => {
    const names = [
      'alice@acme.example',
      'bob@acme.example',
      'alice@acme.example',
      'bob@acme.example',
    ]
    const all = await Promise.all(names.map((user) => signIn(user, 'sydney')))
    expect(all.map(({ tokens }) => decodeJwt(tokens?.id_token ?? '').preferred_username)).toEqual(
      names,
    )
  })

  test('says why the broker rejects a sign-in', async () => {
    expect(await control('sign-in', { user: 'mia@acme.example', client: 'sydney' })).toMatchObject({
      status: 409,
      body: {
        error: 'sign_in_rejected',
        message: expect.stringMatching(/^Set up two-step verification first/) as string,
      },
    })
    expect(await control('sign-in', { user: 'nobody@acme.example' })).toMatchObject({
      status: 404,
      body: { error: 'unknown_user' },
    })
    expect(await control('sign-in', { user: 'bob@acme.example', client: 'perth' })).toMatchObject({
      status: 404,
      body: { error: 'unknown_client' },
    })
    expect(await control('sign-in', { client: 'sydney' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_body' },
    })
  })
})

describe('POST /_control/revoke', { timeout: LONG }, () => {
  test('ends what it names, delivers logout tokens with retries, and lets the user sign in again', async () => {
    const { tokens } = await signIn('bob@acme.example', 'sydney')
    const { sid } = decodeJwt(tokens?.access_token ?? '')
    expect((await control('revoke', { user: 'bob@acme.example' })).body).toMatchObject({
      outcome: 'revoked',
    })
    expect((await refresh(tokens?.refresh_token)).status).toBe(400)
    await vi.waitFor(
      () => expect(logoutTokens.map((token) => decodeJwt(token).sid)).toContain(sid),
      waiting,
    )
    const again = await signIn('bob@acme.example', 'sydney')
    const session = decodeJwt(again.tokens?.access_token ?? '').sid
    expect([
      (await control('revoke', { session })).body.outcome,
      (await control('revoke', { session })).body.outcome,
    ]).toEqual(['revoked', 'already'])
    expect((await refresh(again.tokens?.refresh_token)).status).toBe(400)
    for (const what of [{ client: 'melbourne' }, { tenant: 'acme.example' }, { everything: true }])
      expect((await control('revoke', what)).body).toMatchObject({ outcome: 'revoked' })
    expect(await control('revoke', { session: 'none' })).toMatchObject({ status: 404 })
    expect(await control('revoke', { user: 'mia@acme.example' })).toMatchObject({ status: 404 })
    expect(await control('revoke', {})).toMatchObject({ status: 400 })
  })
})

describe('the control listener', { timeout: LONG }, () => {
  const raw = (headers: Record<string, string>): Promise<number | undefined> =>
    new Promise((done, failed) => {
      const { port } = new URL(dev.facts.control.url)
      const sent = request(
        { host: '127.0.0.1', port, path: '/_control/sign-in', method: 'POST', headers },
        (response: IncomingMessage) => {
          response.resume()
          done(response.statusCode)
        },
      )
      sent.once('error', failed).end('{"user":"alice@acme.example"}')
    })

  test('serves no request of a browser, none by another name of this machine, and none without the secret', async () => {
    const { control, issuer, operators } = dev.facts
    const secret = { [control.header]: control.secret }
    expect(await raw(secret)).toBe(200)
    expect(await raw({})).toBe(403)
    expect(await raw({ [control.header]: `${control.secret.slice(0, -1)}!` })).toBe(403)
    expect(await raw({ ...secret, origin: control.url })).toBe(403)
    expect(await raw({ ...secret, 'sec-fetch-site': 'none' })).toBe(403)
    expect(
      await raw({ ...secret, host: `broker.attacker.example:${new URL(control.url).port}` }),
    ).toBe(403)
    // The control address of broker-dev is not a path of the broker.
    for (const origin of [issuer, operators])
      expect(
        (await fetch(`${origin}/_control/sign-in`, { method: 'POST', headers: secret, body: '{}' }))
          .status,
      ).toBe(404)
    expect((await fetch(`${control.url}/_control/sign-in`, { headers: secret })).status).toBe(405)
  })
})

test(
  'an edit of the clients file takes effect, and is reported; a file with a problem changes nothing',
  { timeout: LONG },
  async () => {
    save('clients: [')
    await vi.waitFor(
      () => expect(said.join('\n')).toContain('The previous clients stay registered'),
      waiting,
    )
    expect(said.join('\n')).toContain(`${file} has problems:\n  line 1: `)
    await signIn('alice@acme.example', 'sydney')
    save(first + entry('perth', '    client_secret: another\n    mistake: yes\n'))
    await vi.waitFor(() => expect(said.join('\n')).toMatch(/line \d+: .*mistake/), waiting)
    expect(said.join('\n')).toContain(`line ${first.split('\n').length + 5}: `)
    // The entry has neither a name nor a secret: broker-dev adds both.
    save(`${first}  - client_id: perth\n    redirect_uris: [http://localhost:9/perth]\n`)
    await vi.waitFor(() => expect(said.join('\n')).toContain('changed: perth'), waiting)
    expect((await signIn('alice@acme.example', 'perth')).tokens).toBeDefined()
  },
)

test('a wrong setting, port or client is an error that says so', { timeout: LONG }, async () => {
  const start = (options: Parameters<typeof run>[0]) => run(options, () => {})
  await expect(start({ settings: { BROKER_SESION_LIMIT: '1' } })).rejects.toThrow(
    'BROKER_SESSION_LIMIT',
  )
  await expect(start({ port: 80 })).rejects.toThrow('port must be a number from 1024 to 65532')
  await expect(
    start({ clients: [{ client_id: 'x', redirect_uris: ['nowhere'] }] }),
  ).rejects.toThrow(/^The option clients has problems:\n {2}x: redirect_uris/)
  await expect(start({ clients: '/nowhere/clients.yaml' })).rejects.toThrow(
    '/nowhere/clients.yaml is not there.',
  )
})

test.each(['20.20.2', '22.13.1'])('Node %s is named as too old', (version) => {
  expect(() => mustBeNewEnough(version)).toThrow(
    `broker-dev needs Node 22.14 or later; this is ${version}.`,
  )
  expect(() => mustBeNewEnough('22.14.0')).not.toThrow()
})
