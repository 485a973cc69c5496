import { beforeEach, expect, test } from 'vitest'
import type { Store } from '../../db/store.ts'
import { startCmb } from '../command/cmb.ts'
import { createRig, type Rig } from '../rig.ts'
import { atConsole } from './console.ts'

/**
 * A search that looks at as many entries as one answer may says how far it came, and the next page
 * goes on from there.
 */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
  lookAtMost(rig.store, 5)
})

/** Limits how many entries a search reads, as in a log of millions. */
function lookAtMost(store: Store, most: number): void {
  const { pageOfRevocations, pageOfAudit, pageOfSessions } = store
  store.pageOfRevocations = (input) => pageOfRevocations({ ...input, most })
  store.pageOfAudit = (input) => pageOfAudit({ ...input, most })
  store.pageOfSessions = (input) => pageOfSessions({ ...input, most })
}

/** Makes twelve entries of each kind, a minute apart. The test searches for the oldest. */
async function filled(): Promise<void> {
  await rig.register('Sydney')
  const by = { actor: { kind: 'client', id: 'robot' }, via: 'api' } as const
  for (let n = 0; n < 12; n++) {
    const { actor } = by
    const reason = n === 0 ? 'client_removed' : 'administrator'
    await rig.store.revoke({
      selector: { kind: 'client', clientId: 'sydney' },
      reason,
      actor,
      now: rig.clock.now(),
    })
    await rig.store.appendAudit({ ...by, act: n === 0 ? 'backup' : 'redrive', target: `n ${n}` })
    await rig.openSession({
      user: { oid: `oid-${n}`, name: `Carol ${n}` },
      device: n === 0 ? 'Edge on Windows' : 'Firefox on Linux',
    })
    rig.clock.advance(60)
  }
}

const LISTS = [
  [
    '/ops/revocations?reason=client_removed',
    'Removed|The instance was removed',
    /Searched back to [\d:]+\sUTC \(revocation 8\)\. Older entries are not searched yet\./,
  ],
  ['/ops/audit?actor=robot&act=backup', 'backup', /Searched back to [\d:]+\sUTC \(entry \d+\)\./],
  ['/ops/sessions?device=edge', 'Carol 0', /Searched back to sessions that began [\d:]+\sUTC\./],
] as const

test.each(LISTS)(
  '%s shows what matches page by page, each with how far it was searched',
  async (path, wanted, searched) => {
    await filled()
    const olga = await atConsole(rig, 'operator')
    let page = await olga.get(path)
    expect(page.text).toMatch(searched)
    expect(page.text).toContain('No match so far.')
    let pages = 1
    for (let href = further(page.html); href !== undefined; href = further(page.html), pages++)
      page = await olga.get(href)
    expect(pages).toBeGreaterThan(1)
    expect(page.text).not.toContain('Searched back to')
    expect(page.html.slice(page.html.indexOf('<tbody'))).toMatch(new RegExp(wanted))
    expect(page.html).toContain('Previous page')
  },
)

const further = (html: string): string | undefined =>
  /<a href="([^"]*)" rel="next">\s*Search further back/.exec(html)?.[1]?.replaceAll('&amp;', '&')

test('the admin API answers searched_to, and next although the page is not full', async () => {
  await filled()
  const robot = await rig.register('Robot', {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:operate'],
  })
  const issued = await rig.post(
    '/token',
    { grant_type: 'client_credentials', scope: 'broker:operate' },
    { authorization: robot.basic },
  )
  const { access_token: token } = (await issued.json()) as { access_token: string }
  const get = async (path: string) => {
    const answer = await rig.opsApp.request(`http://localhost:7401/admin/v1${path}`, {
      headers: { authorization: `Bearer ${token}` },
    })
    return (await answer.json()) as Record<string, unknown>
  }
  const start = rig.clock.now() - 12 * 60
  expect(await get('/revocations?reason=client_removed')).toEqual({
    revocations: [],
    next: 8,
    searched_to: { seq: 8, at: start + 7 * 60 },
  })
  expect(await get('/revocations?reason=client_removed&before=3')).toMatchObject({
    revocations: [{ seq: 1 }],
    next: null,
    searched_to: null,
  })
  expect(await get('/revocations?limit=2')).toMatchObject({
    revocations: [{ seq: 12 }, { seq: 11 }],
    next: 11,
    searched_to: null,
  })
  const audit = await get('/audit?actor=robot&act=backup')
  expect(audit).toMatchObject({
    entries: [],
    searched_to: { id: audit.next, at_ms: (start + 7 * 60) * 1000 },
  })
  const rising = await get('/audit?actor=robot&act=lock&after=0')
  expect(rising).toMatchObject({
    entries: [],
    searched_to: { id: rising.next, at_ms: (start + 4 * 60) * 1000 },
  })
  const sessions = await get('/sessions?client_id=sydney')
  expect(sessions).toMatchObject({
    sessions: [],
    next: expect.stringMatching(/^\d+\.s_/) as string,
    searched_to: { opened_at: start + 7 * 60 },
  })
})

test('cmb goes on by itself until its page is full or the list ends, and says so on standard error', async () => {
  await filled()
  const { type } = await startCmb(rig)
  const found = await type(['revocations', 'list', '--reason', 'client_removed', '--json'])
  expect(found.json()).toMatchObject({ revocations: [{ seq: 1 }], next: null })
  expect(found.err).toMatch(
    /^(?:Searched back to 20[\d-]+[T ][\d:]+.*; searching further back\.\n){2}$/,
  )
  const first = await type([
    'revocations',
    'list',
    '--reason',
    'administrator',
    '--limit',
    '7',
    '--json',
  ])
  expect(
    first.json<{ revocations: { seq: number }[] }>().revocations.map(({ seq }) => seq),
  ).toEqual([12, 11, 10, 9, 8, 7, 6])
  expect(
    (await type(['sessions', 'list', '--limit', '20', '--json'])).json<{ sessions: unknown[] }>()
      .sessions,
  ).toHaveLength(12)
  expect((await type(['audit', '--actor', 'robot', '--act', 'backup'])).out).toContain('n 0')
  const { entries } = (await type(['audit', '--actor', 'robot', '--json'])).json<{
    entries: unknown[]
  }>()
  expect(entries).toHaveLength(12)
})
