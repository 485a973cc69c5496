import { beforeEach, describe, expect, test } from 'vitest'
import { sha256 } from '../../src/protocol/compare.ts'
import { accentsOf } from '../../src/protocol/contrast.ts'
import { wallSheet } from '../../src/console/wall.tsx'
import { createRig, type Rig } from '../rig.ts'
import { browserAt, Page } from '../browser.ts'
import { atConsole, attempted, OPS, sessionsAt } from './console.ts'

/** Wall displays: a pass that an administrator makes, the page that it opens, and everything that it does not open. */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

const COOKIE = '__Secure-cmb_wall'
const DAY = 86_400
const PASSES = '/ops/wall-passes'

const secretIn = (page: Page): string => /<code id="pass">([^<]+)</.exec(page.html)?.[1] ?? expect.unreachable()
/** @returns the pass, as the console shows it once */
async function madePass(days = '30'): Promise<string> {
  const adam = await atConsole(rig, 'administrator')
  return secretIn(await adam.submitTo(await adam.get(PASSES), PASSES, { name: 'Operations room', days }))
}
const display = () => browserAt(rig, { at: OPS })
type Display = ReturnType<typeof display>
const entered = async (at: Display, pass: string) => at.submitTo(await at.get('/ops/wall'), '/ops/wall', { pass })
/** Showing what it shows. */
async function shown(days?: string): Promise<Display> {
  const at = display()
  expect((await entered(at, await madePass(days))).title).toBe('Health of the broker')
  return at
}

test('the style sheet of the display is made once for each look', () => {
  const { look } = rig.config
  expect(wallSheet({ look })).toBe(wallSheet({ look }))
  const other = wallSheet({ look: { ...look, accent: '#7a1f5c' } })
  expect(other.href).not.toBe(wallSheet({ look }).href)
})

describe('a pass', () => {
  test('is made by an administrator, shown once, kept as a hash, and listed with its last use; the audit log has no pass', async () => {
    const adam = await atConsole(rig, 'administrator')
    const page = await adam.submitTo(await adam.get(PASSES), PASSES, { name: ' Operations room ', days: '7' })
    const secret = secretIn(page)
    expect(secret).toMatch(/^[\w-]{43}$/)
    expect((await adam.get(PASSES)).html).not.toContain(secret)
    expect(await rig.store.useWallPass({ passHash: sha256(secret), now: rig.clock.now() })).toMatchObject({
      name: 'Operations room',
      madeBy: adam.sub,
      endsAt: rig.clock.now() + 7 * DAY,
    })
    expect(page.text).toMatch(/Operations room valid .*Adam Administrator .*never/)
    expect((await adam.get(PASSES)).text).not.toContain('never')
    const entries = await rig.store.listAudit({ act: 'wall_pass.create', limit: 9 })
    expect(entries).toMatchObject([{ actor: { id: adam.sub }, details: { name: 'Operations room' }, ended: { outcome: 'done' } }])
    expect(JSON.stringify([entries, rig.lines])).not.toContain(secret)
  })

  test.each([
    [{ name: '' }, 422, 'give a name'],
    [{ name: 'x'.repeat(61) }, 422, 'give a name'],
    [{ name: 'a\u0000b' }, 400, 'has a NUL character'],
    [{ days: '0' }, 422, '1 to 90 days'],
    [{ days: '91' }, 422, '1 to 90 days'],
    [{ days: '1e1' }, 422, '1 to 90 days'],
  ])('is not made with %j', async (wrong, status, says) => {
    const adam = await atConsole(rig, 'administrator')
    const page = await adam.submitTo(await adam.get(PASSES), PASSES, { name: 'Room', days: '30', ...wrong })
    expect([page.status, page.text]).toEqual([status, expect.stringContaining(says)])
    expect(await rig.store.listWallPasses(9)).toEqual([])
  })

  test('is made by no operator, and by no administrator whose sign-in is old', async () => {
    const [adam, olga] = [await atConsole(rig, 'administrator'), await atConsole(rig, 'operator')]
    const [page, hers] = [await adam.get(PASSES), await olga.get(PASSES)]
    expect(hers.forms.map(({ action }) => action)).not.toContain(PASSES)
    const csrf = hers.forms.find(({ action }) => action === '/ops/sign-out')?.fields.csrf ?? ''
    expect((await olga.post(PASSES, { csrf, name: 'Room', days: '1' })).status).toBe(403)
    rig.clock.advance(301)
    const late = await adam.submitTo(page, PASSES, { name: 'Room' })
    expect([late.status, late.text]).toEqual([422, expect.stringContaining('sign in again first')])
    expect(await rig.store.listWallPasses(9)).toEqual([])
  })

  test('is one of 20 at most, until one is revoked; both acts are in the audit log', async () => {
    const adam = await atConsole(rig, 'administrator')
    const make = async (name: string) => adam.submitTo(await adam.get(PASSES), PASSES, { name })
    for (let number = 1; number <= 20; number++) await make(`Room ${number}`)
    expect((await make('Room 21')).text).toContain('There are 20 valid passes')
    const page = await adam.get(PASSES)
    expect(page.html).toContain('Revoke the pass Room 7')
    expect((await adam.submitTo(page, `${PASSES}/revoke`)).text).toContain('The pass was revoked.')
    expect((await adam.submitTo(page, `${PASSES}/revoke`)).text).toContain('No valid pass has that ID.')
    expect((await make('Room 21')).text).toContain('The pass was created.')
    expect((await rig.store.listAudit({ act: 'wall_pass.revoke', limit: 9 })).map(({ ended }) => ended?.outcome)).toEqual(['rejected', 'done'])
  })
})

describe('a display', () => {
  test('has a pass typed in once, and a cookie of its page alone until the pass expires; the pass is in no address', async () => {
    const secret = await madePass('2')
    const at = display()
    const before = await at.get('/ops/wall')
    expect([before.status, before.title, before.forms.map(({ fields }) => Object.keys(fields))]).toEqual([401, 'Wall display', [['csrf', 'pass']]])
    const form = before.forms[0]?.fields ?? {}
    const answer = await at.send('/ops/wall', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ ...form, pass: ` ${secret} ` }).toString(),
    })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '/ops/wall'])
    const cookie = answer.headers.getSetCookie().find((line) => line.startsWith(COOKIE)) ?? ''
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Strict', 'Path=/ops/wall', `Max-Age=${2 * DAY}`])
      expect(cookie.split('; ')).toContain(attribute)
    expect(cookie).not.toContain(sha256(secret))
    const page = await at.get('/ops/wall')
    expect([page.status, page.title, page.html.includes(secret)]).toEqual([200, 'Health of the broker', false])
    expect(page.headers.get('cache-control')).toBe('no-store')
    expect(page.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'self'; .*frame-ancestors 'none'.*script-src 'sha256-[^']+'; connect-src 'self'$/,
    )
  })

  test('an unknown, an expired and a revoked pass get the same answer; only wrong ones are limited', async () => {
    const [expired, good] = [await madePass('1'), await madePass('30')]
    rig.clock.advance(DAY)
    const revoked = await madePass('30')
    const [last] = await rig.store.listWallPasses(1)
    await rig.store.revokeWallPass({ id: last?.id ?? '', now: rig.clock.now() })
    const answers = []
    for (const pass of ['x', '', expired, revoked]) {
      const { status, text } = await entered(display(), pass)
      answers.push([status, text])
    }
    expect(new Set(answers.map((one) => JSON.stringify(one))).size).toBe(1)
    expect(answers[0]).toEqual([403, expect.stringContaining('That pass is not valid.')])
    expect(rig.lines.filter((line) => line.includes('wall_pass_rejected'))).not.toEqual([])
    let tries = answers.length
    while ((await entered(display(), 'wrong')).status !== 429) expect(++tries).toBeLessThan(20)
    expect((await entered(display(), good)).status).toBe(200)
  })

  test('a form of another browser or another site enters nothing', async () => {
    const secret = await madePass()
    const [mine, theirs] = [await display().get('/ops/wall'), display()]
    const page = await theirs.submitTo(mine, '/ops/wall', { pass: secret })
    expect([page.status, theirs.cookies.has(COOKIE)]).toEqual([403, false])
    const at = display()
    await at.submit(await at.get('/ops/wall'), { pass: secret }, 0, { from: 'https://evil.example' })
    expect(at.cookies.has(COOKIE)).toBe(false)
  })

  test('is shut at its next request when the pass expires or is revoked', async () => {
    const at = await shown('1')
    const copy = `${COOKIE}=${at.cookies.get(COOKIE)}`
    const look = async () => (await rig.opsApp.request(`${OPS}/ops/wall`, { headers: { cookie: copy } })).status
    rig.clock.advance(DAY - 1)
    expect(await look()).toBe(200)
    rig.clock.advance(1)
    expect(await look()).toBe(401)
    const other = await shown()
    const [pass] = await rig.store.listWallPasses(1)
    await rig.store.revokeWallPass({ id: pass?.id ?? '', now: rig.clock.now() })
    expect((await other.get('/ops/wall')).status).toBe(401)
  })

  test('shows problems, deliveries, instances and times, and no user, session, case, comment or address', async () => {
    const { client, sessions } = await sessionsAt(rig, 'Sydney', ['Carol', 'Dave'])
    const by = { actor: { kind: 'operator', id: 'olga-x' }, caseReference: 'CASE-7', comment: 'laptop stolen', now: rig.clock.now() } as const
    for (const { sid } of sessions) await rig.store.revoke({ ...by, selector: { kind: 'session', sid }, reason: 'administrator' })
    const [delivery] = await rig.store.listDeliveries({ limit: 1 })
    await attempted(rig, delivery?.id ?? '', 'delivered')
    const [target] = await rig.store.listTargets()
    rig.queue.states = [
      { targetId: target?.targetId ?? '', breaker: 'open', failuresInARow: 3, lastFailure: 'Error: connect to 10.1.2.3', waiting: 0, running: 0 },
    ]
    const page = await (await shown()).get('/ops/wall')
    expect(page.text).toMatch(/Pending 1\b.*Delivered 1\b/)
    expect(page.text).toMatch(/Sydney does not answer 1\b/)
    expect(page.text).toContain('Last updated')
    const words = sessions.flatMap(({ sid, sub, user }) => [sid, sub, user.oid, user.name ?? '', user.username ?? ''])
    const secret = [...words, 'CASE-7', 'laptop', 'olga-x', 'iPhone', '10.1.2.3', target?.uri ?? '', client.clientId.toUpperCase()]
    expect(secret.filter((word) => page.html.includes(word))).toEqual([])
    const leads = [...page.html.matchAll(/(?:href|action)="([^"]*)"/g)].map(([, href = '']) => href)
    expect(leads.filter((href) => !/^(?:#content|\/ops\/wall(?:\?live=off)?|\/(?:ops\/)?assets\/[^"]+)$/.test(href))).toEqual([])
  })

  test('has the colors of dark pages, with the organization’s own accent, whatever the browser prefers', async () => {
    rig.config.look = { ...rig.config.look, accent: '#7c2d12' }
    const page = await (await shown()).get('/ops/wall')
    const [shared = '', wall = ''] = await Promise.all(
      [...page.html.matchAll(/rel="stylesheet" href="([^"]+)"/g)].map(async ([, href]) => (await rig.opsApp.request(`${OPS}${href}`)).text()),
    )
    const dark = /@media \(prefers-color-scheme:dark\)\{\n([^@]+)\}\n@media/.exec(shared)?.[1] ?? expect.unreachable()
    expect(dark).toContain(`--act:${accentsOf('#7c2d12').dark.act}`)
    expect(wall).toContain(dark)
  })

  test('shows what fails by its question, since when, and what to do; not what was found, which may name more', async () => {
    const at = await shown()
    rig.queue.health = async () => ({ up: false, engine: 'valkey', problem: 'connect ECONNREFUSED 10.1.2.3' })
    const page = await at.get('/ops/wall')
    expect(page.text).toMatch(
      /1 problem act today Does the queue server answer\? since \d\d:\S+ UTC What to do: Start the queue server .*The console shows \d more findings?\./,
    )
    expect(page.text).not.toContain('10.1.2.3')
  })

  test('shows of problems and instances what fits a screen, the worst first, and how many more there are', async () => {
    const at = await shown()
    for (const name of ['One', 'Two', 'Three', 'Four', 'Five', 'Six']) await rig.register(name, { logoutUris: [] })
    const seen = async () => {
      const { html, text } = await at.get('/ops/wall')
      const counted = (pattern: RegExp): number => [...html.matchAll(pattern)].length
      const more = [...text.matchAll(/The console shows (\d+) more (?:finding|instance)/g)].map(([, count]) => Number(count))
      return { problems: counted(/<li class="alert/g), instances: counted(/has neither a guard/g), more }
    }
    expect(await seen()).toMatchObject({ problems: 0, instances: 5 })
    rig.queue.health = async () => ({ up: false, engine: 'valkey', problem: 'NOAUTH' })
    rig.queue.kept = { appendOnly: false, evictionPolicy: 'allkeys-lru' }
    rig.clock.advance(301)
    expect(await seen()).toMatchObject({ problems: 2, instances: 2 })
  })
})

describe('what a pass does not open', () => {
  const addressed = (path: string): string => path.replace(/[:{](\w+)(?:\{[^}]*\}|\})?/g, '1').replace('*', 'x')
  /** What an answer says, without what is new in each: references, times, counts of requests. */
  const seenIn = async (path: string, answer: Response) => {
    const type = answer.headers.get('content-type') ?? ''
    const text = await answer.text()
    const to = answer.headers.get('location')
    const said = type.startsWith('text/html') ? new Page({ url: OPS, response: answer, html: text }).text : path === '/metrics' ? type : text
    const same = said.replace(/\b[A-Z\d]{4}-[A-Z\d]{4}\b/g, 'REFERENCE').replace(/\d+/g, '0')
    return [answer.status, answer.headers.get('www-authenticate'), to === null ? null : new URL(to, OPS).pathname, same]
  }

  test('no other page, form or endpoint of the operators’ listener: each answers the cookie and the pass as it answers a stranger', async () => {
    const secret = await madePass()
    const at = display()
    await entered(at, secret)
    const cookie = `${COOKIE}=${at.cookies.get(COOKIE)}`
    const own = (path: string): boolean => path === '/ops/wall' || path.endsWith('*')
    const routes = rig.opsApp.routes.filter(({ path }) => !own(path))
    const asked = new Set(routes.flatMap(({ method, path }) => (method === 'ALL' ? ['GET', 'POST'] : [method]).map((one) => `${one} ${path}`)))
    expect([...asked]).toEqual(expect.arrayContaining(['GET /ops', 'GET /ops/live', 'POST /ops/wall-passes', 'GET /admin/v1/status', 'GET /setup']))
    for (const one of asked) {
      const [method = '', path = ''] = one.split(' ')
      const form = method === 'GET' ? {} : { 'content-type': 'application/x-www-form-urlencoded' }
      const answered = async (headers: Record<string, string>) =>
        seenIn(
          path,
          await rig.opsApp.request(OPS + addressed(path), { method, headers: { ...form, ...headers }, ...(method !== 'GET' && { body: '' }) }),
        )
      const stranger = await answered({})
      expect([one, await answered({ cookie })]).toEqual([one, stranger])
      const withBearer = await answered({ cookie, authorization: `Bearer ${secret}` })
      // The admin API says that this token is not valid, where a stranger has none.
      if (path.startsWith('/admin/')) expect([one, withBearer[0], stranger[0]]).toEqual([one, 401, 401])
      else expect([one, withBearer]).toEqual([one, stranger])
    }
    expect((await rig.opsApp.request(`${OPS}/ops/wall`, { headers: { authorization: `Bearer ${secret}` } })).status).toBe(401)
    expect((await rig.opsApp.request(`${OPS}/ops/wall?pass=${secret}`)).status).toBe(401)
  })

  test('the cookie is of its page alone: a browser sends it nowhere else', async () => {
    const at = await shown()
    const sent = (path: string): boolean => at.cookies.header(OPS + path).includes(COOKIE)
    expect([sent('/ops/wall'), sent('/ops'), sent('/ops/wall-passes'), sent('/admin/v1/status')]).toEqual([true, false, false, false])
  })
})
