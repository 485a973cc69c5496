import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { readUnverified } from '../../src/keys/jws.ts'
import type { Selector } from '../../src/protocol/revocation.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { startCmb } from '../command/cmb.ts'
import { atConsole } from '../console/console.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'

/**
 * The auditor's question: was this user stopped everywhere, each time in this period? One file
 * answers it, by the admin API, by `cmb` and on the console.
 */

let rig: Rig
let perth: RegisteredClient
let sydney: RegisteredClient
let admin: (path: string) => Promise<Response>

beforeEach(async () => {
  rig = await createRig()
  perth = await rig.register('Perth', { ownSessions: 'none', logoutUris: [] })
  sydney = await rig.register('Sydney')
  const robot = await rig.register('Robot', {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:audit'],
  })
  admin = async (path) => {
    const asked = { grant_type: 'client_credentials', scope: 'broker:audit' }
    const token = await rig.post('/token', asked, { authorization: robot.basic })
    const { access_token: given } = (await token.json()) as { access_token: string }
    return rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, {
      headers: { authorization: `Bearer ${given}` },
    })
  }
})

const signIn = async (name: string, ...clients: RegisteredClient[]) => {
  const oid = `00000000-0000-4000-8000-0000000002${String(name.length).padStart(2, '0')}`
  const user = { oid, name, username: `${name.toLowerCase()}@contoso.example` }
  const { session } = await rig.openSession({ user })
  for (const client of clients) await rig.signInAt(session.sid, client)
  return session
}
const ended = (selector: Selector) =>
  requestRevocation(rig.deps, {
    selector,
    reason: 'administrator',
    actor: { kind: 'operator', id: 'olga' },
    now: rig.clock.now(),
  })
const fanOut = async () => {
  while ((await rig.store.fanOutPending({ limit: 100 })).more);
}
const signatureOf = (text: string) => {
  const { record, jws } = JSON.parse(text.trimEnd().split('\n').at(-1) ?? '') as {
    record: string
    jws: string
  }
  expect(record).toBe('user')
  return readUnverified(jws)
}

describe('signed evidence of a user (docs/evidence.md)', () => {
  test('has each revocation that covers the user in the period, wide ones with the deliveries of that user alone', async () => {
    const alina = await signIn('Alina', sydney)
    await ended({ kind: 'session', sid: alina.sid })
    rig.clock.advance(3600)
    const since = rig.clock.now()
    const bob = await signIn('Bo', sydney)
    const again = await signIn('Alina', sydney)
    await ended({ kind: 'everything' })
    await fanOut()
    rig.clock.advance(60)
    const until = rig.clock.now()
    const later = await signIn('Alina', sydney)
    await ended({ kind: 'session', sid: later.sid })

    const address = `/users/evidence?sub=${alina.sub}`
    const whole = await (await admin(address)).text()
    expect(signatureOf(whole)).toMatchObject({
      header: { typ: 'user-evidence+jwt' },
      claims: { iss: rig.config.issuer, sub: alina.sub, seqs: [1, 2, 3] },
    })
    const answer = await admin(`${address}&since=${since}&until=${until}`)
    expect(answer.headers.get('content-disposition')).toBe(
      `attachment; filename="broker-revocations-${alina.sub}.jsonl"`,
    )
    const text = await answer.text()
    expect(signatureOf(text)?.claims).toMatchObject({ since, until, seqs: [2] })
    expect(text).toContain(again.sid)
    expect(text).not.toContain(bob.sid)
    expect((await (await admin(`/users/evidence?sub=bo`)).text()).includes(bob.sid)).toBe(true)
  })

  test('is not written while a wide revocation of the period is not in the histories of all users', async () => {
    const { sid, sub } = await signIn('Alina', sydney)
    await ended({ kind: 'session', sid })
    await signIn('Alina', sydney)
    rig.clock.advance(60)
    await ended({ kind: 'everything' })
    const early = await admin(`/users/evidence?sub=${sub}`)
    expect([early.status, await early.text()]).toEqual([
      409,
      expect.stringContaining('Ask again in a minute') as string,
    ])
    const before = await admin(`/users/evidence?sub=${sub}&until=${rig.clock.now()}`)
    expect(signatureOf(await before.text())?.claims).toMatchObject({ seqs: [1] })
    await fanOut()
    const after = await admin(`/users/evidence?sub=${sub}`)
    expect(signatureOf(await after.text())?.claims).toMatchObject({ seqs: [1, 2] })
  })

  test('is rejected for more revocations than one file holds, for none, and for a name of no one', async () => {
    const { sub } = await signIn('Alina')
    const rejected = async (query: string) => {
      const answer = await admin(`/users/evidence?${query}`)
      return [answer.status, ((await answer.json()) as { detail: string }).detail]
    }
    expect(await rejected(`sub=${sub}`)).toEqual([
      404,
      expect.stringContaining('cmb revocations list --subject') as string,
    ])
    expect(await rejected('sub=nina')).toEqual([422, 'No user is called nina.'])
    for (let n = 0; n < 101; n++) {
      await signIn('Alina')
      await ended({ kind: 'subject', sub })
    }
    await fanOut()
    expect(await rejected(`sub=${sub}`)).toEqual([
      422,
      expect.stringContaining('at most 100 revocations') as string,
    ])
  })

  test('verifies without the broker, and says of each revocation what its receipt says; a revocation that is removed or moved is found', async () => {
    const { type } = await startCmb(rig)
    for (const _ of [1, 2])
      await ended({ kind: 'session', sid: (await signIn('Alina', perth)).sid })
    rig.clock.advance(400)
    const { out: text, code } = await type(['evidence', 'export', '--user', 'alina'])
    expect(code).toBe(0)
    const [file, keys] = ['alina.jsonl', 'keys.json'].map((name) => join(rig.config.dataDir, name))
    if (file === undefined || keys === undefined) return expect.unreachable()
    writeFileSync(keys, await (await rig.app.request('/.well-known/signing-keys-archive')).text())
    const verify = (content: string, ...more: string[]) => {
      writeFileSync(file, content)
      return type(['evidence', 'verify', file, '--keys', keys, ...more])
    }
    const { out, code: verified } = await verify(text)
    expect(verified).toBe(0)
    expect(out).toMatch(/The evidence of 2 revocations of user u_\S+ is as the broker signed it/)
    expect(
      out.match(/revocation [12] +1 of 1 instance confirmed.*, the last within 6 min/g),
    ).toHaveLength(2)
    expect((await verify(text, '--json')).json()).toMatchObject({
      log: 'user',
      rows: 2,
      revocations: [
        { seq: 1, receipt: { seq: 1 } },
        { seq: 2, receipt: { seq: 2 } },
      ],
    })

    const lines = text.trimEnd().split('\n')
    const end = lines.findIndex((line) => line.includes('"record":"signature"')) + 1
    const [first, second, last] = [lines.slice(0, end), lines.slice(end, -1), lines.slice(-1)]
    for (const damaged of [
      [...second, ...last],
      [...first, ...last],
      [...second, ...first, ...last],
      [...first, ...second],
      [...first, ...second, ...last, ...last],
      [...first, ...second, ...last].map((line) => line.replace('"sessions":1', '"sessions":2')),
    ])
      expect((await verify(`${damaged.join('\n')}\n`)).code).toBe(1)
    // One revocation of the file is evidence by itself.
    expect((await verify(`${first.join('\n')}\n`)).code).toBe(0)
  })
})

test('the page of a user’s revocations in a period says in one line whether each was stopped everywhere, and leads to the same file', async () => {
  const { sid, sub } = await signIn('Alina', perth)
  await ended({ kind: 'session', sid })
  const olga = await atConsole(rig, 'auditor')
  const headline = async (query: string) => (await olga.get(`/ops/revocations?${query}`)).text
  expect(await headline('user=alina')).toContain('1 revocation: 1 open (1)')
  rig.clock.advance(400)
  expect(await headline('user=alina')).toContain(
    '1 revocation, stopped everywhere after 6 min at most',
  )
  await ended({ kind: 'session', sid: (await signIn('Alina', perth)).sid })
  expect(await headline('user=alina')).toContain(
    '2 revocations: 1 open (2), 1 stopped everywhere; slowest 6 min at most',
  )
  rig.clock.advance(400)
  const page = await olga.get('/ops/revocations?user=alina&since=2026-01-01T00%3A00')
  expect(page.text).toContain('2 revocations, each stopped everywhere; slowest 6 min at most')
  const [, href = ''] = /href="(\/ops\/revocations\/evidence[^"]+)"/.exec(page.html) ?? []
  const file = await olga.send(href.replaceAll('&amp;', '&'))
  expect(file.headers.get('content-disposition')).toBe(
    `attachment; filename="broker-revocations-${sub}.jsonl"`,
  )
  expect(signatureOf(await file.text())?.claims).toMatchObject({
    sub,
    since: Date.parse('2026-01-01T00:00Z') / 1000,
    seqs: [1, 2],
  })
  for (const query of ['', 'user=alina&reason=administrator'])
    expect((await olga.get(`/ops/revocations?${query}`)).html).not.toContain(
      '/ops/revocations/evidence',
    )
})
