import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
// @ts-expect-error: the script has no types.
import { createTrace, differences } from '../../scripts/microsoft-trace.mjs'
import { CONTOSO } from '../../demo/entra/users.ts'
import { until } from './broker-process.ts'
import { ALICE, BOB, openWorld, type TestWorld } from './world.ts'

/**
 * The checklist of docs/entra-checklist.md, at the simulator. Its trace is what a trace of a real
 * tenant is compared with. `TRACE=update` writes it.
 */

type Trace = Record<string, Record<string, string[]>>
const SCRIPT = resolve(import.meta.dirname, '../../scripts/microsoft-trace.mjs')
const COMMITTED = resolve(import.meta.dirname, '../../demo/entra/trace.json')
const OLIVIA = 'olivia@contoso.example'
const compared = differences as (
  real: Trace,
  simulated: Trace,
) => { lines: string[]; missing: string[] }

let world: TestWorld
const file = join(mkdtempSync(join(tmpdir(), 'trace-')), 'trace.json')
beforeAll(async () => {
  world = await openWorld({ start: false, cities: ['sydney'] })
  Object.assign(world.broker.env, {
    BROKER_ENTRA_TENANT: CONTOSO.tid,
    BROKER_MFA_PROOF: 'auth_context:c1',
    BROKER_PROBE_MINUTES: '0.3',
    BROKER_GRAPH: 'yes',
    BROKER_GRAPH_ORIGIN: `${world.entra.origin}/graph/v1.0`,
    NODE_OPTIONS: `--import ${pathToFileURL(SCRIPT).href}`,
    MICROSOFT_TRACE: file,
  })
  await world.broker.start()
})
afterAll(() => world?.dispose())

const recorded = (): Trace => JSON.parse(readFileSync(file, 'utf8')) as Trace
const has = (what: string, field?: string, value?: string) =>
  until(
    `the trace has ${what} ${field ?? ''} ${value ?? ''}`,
    () => {
      const found = Object.entries(recorded()).filter(([key]) => key.startsWith(what))
      return found.some(
        ([, fields]) =>
          field === undefined ||
          fields[field]?.some((candidate) => value === undefined || candidate === value),
      )
    },
    60,
  )

/** Sends a browser to Microsoft, which answers with an error. */
async function rejectedAtMicrosoft(upn: string) {
  await world.signedIn(upn).catch(() => undefined)
}

describe('the checklist for a real tenant, at the simulator', () => {
  test('its trace is the committed one: no token, secret or address is in it', async () => {
    const { entra } = world
    await until('the subscription is there', () => entra.subscriptions.live().length > 0)
    entra.set({ consent: { [CONTOSO.tid]: 'admin' }, errorsToApp: true })
    await rejectedAtMicrosoft(ALICE)
    entra.set({ consent: {} })

    const { browser, at } = await world.signedIn(ALICE)
    await has('POST login', 'form grant_type', 'refresh_token')
    entra.change(ALICE, { accountEnabled: false })
    await has('GET graph /v1.0/users/{id} → 200')
    await rejectedAtMicrosoft(ALICE)
    entra.change(ALICE, { accountEnabled: true })
    entra.set({ errorsToApp: false })

    await world.signedIn(BOB)
    entra.change(BOB, { revokeSessions: true })
    await has('POST login', 'error_codes[]', '50173')

    await world.signedIn(OLIVIA)
    entra.change(OLIVIA, { deleted: true })
    await has('GET graph /v1.0/users/{id} → 404')

    const again = await world.signedIn(ALICE)
    await browser.get(`${world.broker.issuer}/logout/return`)
    await has('GET broker /logout/return')
    expect(again.at).toHaveLength(at.length)

    const text = readFileSync(file, 'utf8')
    for (const secret of [
      'eyJ',
      'alice',
      'contoso',
      CONTOSO.tid,
      String(world.broker.env.BROKER_ENTRA_CLIENT_SECRET),
    ])
      expect(text.toLowerCase()).not.toContain(secret.toLowerCase())
    if (process.env.TRACE === 'update') writeFileSync(COMMITTED, text)
    const committed = JSON.parse(readFileSync(COMMITTED, 'utf8')) as Trace
    expect(compared(recorded(), committed)).toEqual({ lines: [], missing: [] })
  })

  test('each difference is a line: a field, a value, an exchange', () => {
    const simulated = {
      'POST login /token → 200': { 'id_token.claims.tid': ['string'], ver: ['2.0'] },
    }
    const real = {
      'POST login /token → 200': { 'id_token.claims.rh': ['string'], ver: ['1.0'] },
      'GET graph /x → 403': { code: ['Forbidden'] },
    }
    const { lines } = compared(real, simulated)
    expect(lines.join('\n')).toMatch(/only Microsoft {2}id_token\.claims\.rh: string/)
    expect(lines.join('\n')).toMatch(/differs {9}ver: 1\.0; simulator: 2\.0/)
    expect(lines.join('\n')).toMatch(/only simulator {2}id_token\.claims\.tid: string/)
    expect(lines.join('\n')).toMatch(/GET graph \/x → 403/)
  })

  test('a value that is no short word is never recorded', async () => {
    const trace = createTrace(['https://m.example']) as {
      answered(url: string, init: object, response: Response): Promise<void>
      received(method: string, address: string): void
    }
    await trace.answered(
      'https://m.example/6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11/token?code=SECRET1',
      { method: 'POST', body: 'grant_type=refresh_token&client_secret=SECRET2' },
      Response.json({
        error: 'SECRET3 with words',
        access_token: 'SECRET4',
        code: { a: 'SECRET5' },
      }),
    )
    trace.received(
      'GET',
      '/signin/callback?error=SECRET6%20with%20words&code=SECRET7&state=SECRET8',
    )
    expect(JSON.stringify(trace)).not.toMatch(/SECRET|6f0c2d0e/)
  })
})
