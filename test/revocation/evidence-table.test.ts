import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import type { ClientMetadata } from '../../src/protocol/client-metadata.ts'
import { browserAt } from '../browser.ts'
import { startCmb } from '../command/cmb.ts'
import { atConsole } from '../console/console.ts'
import { createRig, type RegisteredClient, type Rig } from '../rig.ts'
import { guardOf } from './guard-of.ts'

/**
 * The table of docs/evidence.md: what receipt, console, `cmb` and the signed-out page say of an
 * instance, by what it has and what has happened. `npm run docs:receipts` writes it.
 */

interface Instance {
  has: string
  registered: Partial<ClientMetadata>
  guard?: 'judges tokens' | 'judges tokens and sessions' | undefined
  happens: string
  /** The guard hears of the revocation. */
  isReached?: boolean
  /** The instance answers its logout token with 2xx. */
  isDelivered?: boolean
  listenerFails?: boolean
}

const API: Partial<ClientMetadata> = { ownSessions: 'none', logoutUris: [] }
const BY_GUARD: Partial<ClientMetadata> = { ownSessions: 'guard', logoutUris: [] }
const BY_TOKEN: Partial<ClientMetadata> = { ownSessions: 'logout_token' }
const BY_NOTHING: Partial<ClientMetadata> = { logoutUris: [] }
const TOKENS = 'judges tokens'
const BOTH = 'judges tokens and sessions'
const REPORTED = 'the guard reported'
const CUT = 'the guard is cut off'

const instance = (
  has: string,
  registered: Partial<ClientMetadata>,
  guard: Instance['guard'],
  happens: string,
  more: Pick<Instance, 'isReached' | 'isDelivered' | 'listenerFails'> = {},
): Instance => ({ has, registered, guard, happens, ...more })

const INSTANCES: readonly Instance[] = [
  instance('none', API, TOKENS, REPORTED, { isReached: true }),
  instance('none', API, TOKENS, CUT),
  instance('none', API, undefined, 'nothing'),
  instance('guard', BY_GUARD, BOTH, REPORTED, { isReached: true }),
  instance('guard', BY_GUARD, BOTH, CUT),
  instance('guard', BY_GUARD, BOTH, 'its listener failed', {
    isReached: true,
    listenerFails: true,
  }),
  instance('guard', { ownSessions: 'guard' }, BOTH, `${REPORTED}; a logout token is pending`, {
    isReached: true,
  }),
  instance('guard', BY_GUARD, TOKENS, REPORTED, { isReached: true }),
  instance('guard', BY_GUARD, TOKENS, CUT),
  instance('guard', BY_GUARD, undefined, 'nothing'),
  instance('logout_token', BY_TOKEN, TOKENS, `${REPORTED}; the logout token is pending`, {
    isReached: true,
  }),
  instance('logout_token', BY_TOKEN, TOKENS, `${REPORTED}; the logout token was answered`, {
    isReached: true,
    isDelivered: true,
  }),
  instance('logout_token', BY_TOKEN, TOKENS, `${CUT}; the logout token was answered`, {
    isDelivered: true,
  }),
  instance('logout_token', BY_TOKEN, TOKENS, `${CUT}; the logout token is pending`),
  instance('logout_token', BY_TOKEN, BOTH, `${REPORTED}; the logout token is pending`, {
    isReached: true,
  }),
  instance('logout_token', BY_TOKEN, undefined, 'the logout token was answered', {
    isDelivered: true,
  }),
  instance('logout_token', BY_TOKEN, undefined, 'the logout token is pending'),
  instance('absent, no logout address', BY_NOTHING, TOKENS, REPORTED, { isReached: true }),
  instance('absent, no logout address', BY_NOTHING, BOTH, REPORTED, { isReached: true }),
  instance('absent, no logout address', BY_NOTHING, undefined, 'nothing'),
]

const nameOf = (n: number): string => `App${String.fromCharCode(97 + n)}`

/** Starts the guard of an instance. Those that are cut off hear nothing from when `cut` is aborted. */
async function startGuard(
  { rig, url, cut }: { rig: Rig; url: string; cut: AbortSignal },
  client: RegisteredClient,
  {
    guard: judges,
    isReached,
    listenerFails,
  }: Pick<Instance, 'guard' | 'isReached' | 'listenerFails'> = {},
): Promise<void> {
  if (judges === undefined) return
  const guard = guardOf(rig, url, client, isReached === true ? undefined : cut)
  if (judges === BOTH) guard.judgeSessions()
  if (listenerFails === true)
    guard.onRevocation(() => {
      throw new Error('The instance cannot end its session.')
    })
  await guard.start()
}

async function deliver(rig: Rig, clientId: string): Promise<void> {
  const all = await rig.store.listDeliveries({ limit: 100 })
  for (const { id, attempts } of all.filter((delivery) => delivery.clientId === clientId)) {
    const at = { attempt: attempts + 1, atMs: rig.clock.nowMs(), latencyMs: 5, status: 200 }
    const attempt = { ...at, outcome: 'delivered' as const }
    await rig.store.recordDelivery({ id, result: { outcome: 'delivered', attempt } })
  }
}

interface Claim {
  state: 'confirmed' | 'bounded' | 'not_bounded'
  by: string | null
}
interface Receipt {
  acknowledged_at_ms: number
  participants: { client_id: string; state: Claim['state']; tokens: Claim; sessions: Claim }[]
}

const WORDS = { confirmed: 'confirmed', bounded: 'bounded', not_bounded: 'not bounded' } as const
/** The words of the console for the state of an instance. */
const STATE = { confirmed: 'confirmed', bounded: 'ends by itself', not_bounded: 'not confirmed' }
const claimed = ({ state, by }: Claim): string =>
  by === null ? WORDS[state] : `${WORDS[state]}: \`${by}\``
const textOf = (html: string): string =>
  html
    .replaceAll(/<time.*?<\/time>/gs, '…')
    .replaceAll(/<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ')
    .replaceAll(' .', '.')
    .trim()

/** Returns what the signed-out page says of an instance: its tag, and what may still be open. */
function onPage(html: string, name: string): string {
  const [, row = ''] =
    new RegExp(`<li>(<div[^>]*><span>${name}</span>.*?)</li>`, 's').exec(html) ?? []
  const [, tag = ''] = /<span class="tag[^>]*>(.*?)<\/span>/s.exec(row) ?? []
  const [, open = ''] = /<p class="soft small">(.*?)<\/p>/s.exec(row) ?? []
  const words = `${tag === '' ? '' : `**${tag}** `}${textOf(open)}`.replaceAll(name, 'The app')
  return words.trim() || 'its name alone'
}

const factsOf = ({ guard, happens, has }: Instance): string =>
  `| ${has} | ${guard ?? 'none'} | ${happens}`

const BETWEEN = /(?<=<!-- npm run docs:receipts -->\n\n)[\s\S]*?(?=\n\n<!-- \/docs:receipts -->)/
const PAGE = join(import.meta.dirname, '../../docs/evidence.md')

test('docs/evidence.md shows what is said of each instance by what it has and what has happened', async () => {
  const rig = await createRig()
  const url = await rig.serve()
  const clients: RegisteredClient[] = []
  for (const [n, { registered }] of INSTANCES.entries())
    clients.push(await rig.register(nameOf(n), registered))
  const cut = new AbortController()
  await Promise.all(
    clients.map((client, n) => startGuard({ rig, url, cut: cut.signal }, client, INSTANCES[n])),
  )
  const { type } = await startCmb(rig)
  const operator = await atConsole(rig, 'operator')
  const { session, cookieHeader } = await rig.openSession({ device: 'Firefox on Windows' })
  for (const client of clients) await rig.signInAt(session.sid, client)
  cut.abort()
  const user = browserAt(rig, { cookies: cookieHeader })
  const done = await user.submit(await user.get('/logout'), { scope: 'device' })
  const show = ['revocations', 'show', '1']
  const receiptNow = async (): Promise<Receipt> =>
    (await type([...show, '--json'])).json<{ receipt: Receipt }>().receipt
  const of = (n: number): Instance => INSTANCES[n] ?? expect.unreachable()
  const reporting = clients.filter(
    (_, n) => of(n).isReached === true && of(n).listenerFails !== true,
  )
  await vi.waitFor(async () => {
    const { participants } = await receiptNow()
    const reported = participants.filter(({ tokens }) => tokens.by === 'report')
    expect(reported.map((part) => part.client_id)).toEqual(
      reporting.map(({ clientId }) => clientId),
    )
  }, 20_000)
  for (const [n, { clientId }] of clients.entries())
    if (of(n).isDelivered === true) await deliver(rig, clientId)

  const seen = async (): Promise<string[]> => {
    const receipt = await receiptNow()
    const printed = (await type(show)).out.split('\n')
    const console = (await operator.get('/ops/revocations/1')).text
    const { html } = await user.get(done.path)
    const at = receipt.acknowledged_at_ms
    /** Replaces times by their distance from the acknowledgment. */
    const relative = (text: string, stamp: RegExp, toMs: (found: string) => number): string =>
      text
        .replaceAll(stamp, (found) => `A + ${Math.round((toMs(found) - at) / 1000)} s`)
        .replaceAll(/after [\d.]+ m?s/g, 'after …')
    const day = new Date(at).toISOString().slice(0, 11)
    return clients.map(({ clientId }, n) => {
      const part =
        receipt.participants.find((each) => each.client_id === clientId) ?? expect.unreachable()
      const line = printed.find((each) => each.trim().startsWith(`${clientId} `)) ?? ''
      const [, state, ...cells] = line.trim().split(/ {2,}/)
      expect(state).toBe(part.state)
      const [tokens = '', sessions = ''] = cells.map((cell) =>
        relative(cell, /[\d-]+T[\d:.]+Z/g, Date.parse),
      )
      // The console says the same in its own form of times.
      expect(
        relative(console, /[\d:]{8}\sUTC/g, (found) => Date.parse(`${day}${found.slice(0, 8)}Z`)),
      ).toContain(`Case Manager ${nameOf(n)} ${STATE[part.state]} ${tokens} ${sessions} `)
      const page = onPage(html, `Case Manager ${nameOf(n)}`)
      return ` | ${claimed(part.tokens)} | ${claimed(part.sessions)} | ${STATE[part.state]}; ${tokens}; ${sessions} | ${page} |`
    })
  }
  const lines: string[][] = clients.map(() => [])
  let passed = 0
  for (const seconds of [4, 30, 360]) {
    rig.clock.advance(seconds - passed)
    passed = seconds
    for (const [n, cells] of (await seen()).entries())
      if (!lines[n]?.some((line) => line.endsWith(cells)))
        lines[n]?.push(`${factsOf(of(n))} | ${seconds} s${cells}`)
  }
  const table = [
    '| `own_sessions` | Guard | What happened | After | Receipt: tokens | Receipt: own sessions | Console, `cmb` | The user’s page |',
    '|---|---|---|---|---|---|---|---|',
    ...lines.flat(),
  ].join('\n')
  if (process.env.BROKER_RECEIPTS_TABLE === 'update')
    writeFileSync(PAGE, readFileSync(PAGE, 'utf8').replace(BETWEEN, table))
  expect(readFileSync(PAGE, 'utf8').match(BETWEEN)?.[0]).toBe(table)
})
