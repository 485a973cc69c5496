import type { AddressInfo } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { until } from '../process/broker-process.ts'
import { freePorts } from '../process/ports.ts'
import { answers, example, NODE, Program } from './program.ts'
import type { Recipe } from './recipe.ts'
import type { World } from './world.ts'

/** The receiver of a webhook that sends mail, with a mail server that keeps all messages. */

interface Mail {
  to: string[]
  text: string
}

async function startMailServer() {
  const mails: Mail[] = []
  /** The server's answer to a recipient: 0 accepts. */
  const state = { responseCode: 0 }
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo: (_address, _session, done) =>
      done(
        state.responseCode === 0
          ? null
          : Object.assign(new Error('not now'), { responseCode: state.responseCode }),
      ),
    onData(stream, { envelope }, done) {
      let text = ''
      stream.on('data', (piece: Buffer) => (text += piece.toString()))
      stream.on('end', () => {
        mails.push({
          to: envelope.rcptTo.map(({ address }) => address),
          text: text.replace(/=\r\n/g, ''),
        })
        done()
      })
    },
  })
  await new Promise<void>((ready) => void server.listen(0, '127.0.0.1', ready))
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    state,
    close: () => new Promise<void>((done) => server.close(() => done())),
  }
}

export const newDeviceMail = ({ name, version }: Pick<Recipe, 'name' | 'version'>): Recipe => ({
  name,
  missing: undefined,
  version,
  registered: [{ name }],
  define: (world, note) => defineTests(name, world, note),
})

function defineTests(name: string, world: () => World, note: (line: string) => void): void {
  let server: Awaited<ReturnType<typeof startMailServer>>
  let program: Program | undefined
  let [url, secret] = ['', '']
  beforeAll(async () => {
    server = await startMailServer()
    const [port = 0] = await freePorts(1)
    url = `http://127.0.0.1:${port}/`
    // Alice signs in before the endpoint exists: her first sign-in is not one on a new device, and
    // a later one is.
    await signIn()
    const admin = await world().admin()
    ;({ secret } = await admin.send<{ secret: string }>('POST', '/webhooks', {
      url,
      events: ['session.new_device'],
      include: ['names'],
    }))
    const env = {
      ACCOUNT_URL: `${world().issuer}/account`,
      MAIL_DOMAINS: 'fabrikam.example,contoso.example',
      MAIL_FROM: 'case-manager@contoso.example',
      PORT: String(port),
      SMTP_URL: server.url,
      WEBHOOK_SECRET: secret,
    }
    program = new Program({ file: NODE, args: [example('new-device-mail/server.mjs')], env })
    await program.start(() => answers(url))
  })
  afterAll(async () => {
    await program?.end()
    await server.close()
  })

  const signIn = async (browser = world().newBrowser()) => {
    await world().accessToken(browser, world().place(name))
    return browser
  }
  const mailed = (count: number) =>
    until(`mail ${count} arrives`, () =>
      server.mails.length < count ? undefined : server.mails.at(-1),
    )
  /** Sends an event to the recipe. Returns the status of its answer. */
  const send = async (data: object, { type = 'session.new_device', by = secret } = {}) => {
    const body = JSON.stringify({
      type,
      timestamp: new Date().toISOString(),
      data: { device: 'Firefox on Windows', ...data },
    })
    const [id, at] = ['msg_1', new Date()]
    const signature = new Webhook(by).sign(id, at, body)
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
      'webhook-signature': signature,
    }
    return (await fetch(url, { method: 'POST', body, headers })).status
  }

  test('a user who signs in on a new device gets one mail; with a browser that they know, none', async () => {
    const startedAtMs = Date.now()
    const browser = await signIn()
    const { to, text } = await mailed(1)
    note(`mail arrived ${Date.now() - startedAtMs} ms after the sign-in began`)
    expect(to).toEqual(['alice@contoso.example'])
    expect(text).toMatch(/^From: case-manager@contoso\.example\r$/m)
    expect(text).toMatch(/^Subject: New sign-in to Case Manager\r$/m)
    expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m)
    expect(text).toMatch(/^Message-ID: <[\w-]+@contoso\.example>\r$/im)
    expect(text).toMatch(
      /on a device that you had not used before:\r\n\S.*\r\n\w{3}, \d\d \w{3} 2\d{3} [\d:]+ GMT\r\n/,
    )
    expect(text).toContain(`${world().issuer}/account`)
    await world().signOut(browser)
    await signIn(browser)
    await signIn()
    await mailed(2)
    expect(server.mails).toHaveLength(2)
  })

  test('a mail server that is down costs no mail: the broker sends the event again', async () => {
    const before = server.mails.length
    server.state.responseCode = 451
    await signIn()
    await until('the mail is rejected once', () =>
      program?.output.includes('The mail was not sent'),
    )
    server.state.responseCode = 0
    expect((await mailed(before + 1)).to).toEqual(['alice@contoso.example'])
  })

  test('a message that the broker did not sign is rejected, and sends nothing', async () => {
    const before = server.mails.length
    expect(
      await send(
        { email: 'alice@contoso.example' },
        { by: `whsec_${Buffer.alloc(32).toString('base64')}` },
      ),
    ).toBe(401)
    expect((await fetch(url, { method: 'POST', body: '{}' })).status).toBe(401)
    expect((await fetch(url, { method: 'POST', body: 'x'.repeat(70_000) })).status).toBe(413)
    expect(server.mails).toHaveLength(before)
  })

  test('no other address gets mail: outside the domains, more than one, a header, or none; and no other event sends any', async () => {
    const before = server.mails.length
    for (const email of [
      'mallory@evil.example',
      'alice@mail.contoso.example',
      'mallory@evil.example,alice@contoso.example',
      '"mallory@evil.example, x"@contoso.example',
      'alice@contoso.example\r\nBcc: x@evil.example',
      'alice@contoso.example\n',
      undefined,
    ])
      expect([email, await send({ email })]).toEqual([email, 204])
    expect(
      await send({ email: 'alice@contoso.example' }, { type: 'user.signed_out_everywhere' }),
    ).toBe(204)
    expect(server.mails).toHaveLength(before)
    expect(await send({ email: 'Bob@Fabrikam.example' })).toBe(204)
    expect(server.mails.at(-1)?.to).toEqual(['Bob@fabrikam.example'])
  })
}
