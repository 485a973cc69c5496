import { describe, expect, test } from 'vitest'
import { SavedBranding } from '../../src/operations/acts/branding.ts'
import { followOtherBrokers } from '../../src/other-brokers.ts'
import { ISSUER } from '../rig.ts'
import { createWorld, enter, OPS, type World } from './world.ts'

/**
 * Branding at /setup: what operators save there is what users see, on every broker of the store.
 */

const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.alloc(64, 7)])
const PATH = '/setup/branding'

async function open(changes: Parameters<typeof createWorld>[0] = {}) {
  const world = await createWorld(changes)
  await enter(world)
  return world
}

/** Sends the page's own form, as a browser does with files. */
async function save(
  { browser }: World,
  fields: Record<string, string | Buffer>,
  headers: Record<string, string> = { origin: OPS },
) {
  const form = new FormData()
  const page = await browser.get(PATH)
  const hidden =
    page.forms.find(({ action }) => action.endsWith(PATH))?.fields ?? expect.unreachable()
  for (const [name, value] of Object.entries({ ...hidden, ...fields }))
    form.set(
      name,
      typeof value === 'string'
        ? value
        : new File([new Uint8Array(value)], 'logo.svg', { type: 'image/svg+xml' }),
    )
  const answer = await browser.send(OPS + PATH, { method: 'POST', body: form, headers })
  return { status: answer.status, html: await answer.text() }
}

const pageOf = async ({ rig }: World): Promise<string> =>
  (await rig.app.request(`${ISSUER}/`)).text()

describe('what is saved', () => {
  test('is on the next page of users: names, links, color and a logo recognized by its bytes', async () => {
    const world = await open()
    const { rig, browser } = world
    const fields = {
      product: 'Contoso Cases',
      organization: 'Contoso Ltd',
      support: 'mailto:help@contoso.example',
      accent: '#1D4ED8',
      background: '#FFF4E0',
      logo: PNG,
    }
    expect((await save(world, fields)).status).toBe(303)
    const html = await pageOf(world)
    for (const shown of [
      '<title>Your apps · Contoso Cases</title>',
      'Contoso Ltd',
      'href="mailto:help@contoso.example"',
    ])
      expect(html).toContain(shown)
    const logo =
      /<img src="(\/assets\/logo[^"]+)" alt="Contoso Cases"/.exec(html)?.[1] ?? expect.unreachable()
    const image = await rig.app.request(`${ISSUER}${logo}`)
    expect([
      image.headers.get('content-type'),
      image.headers.get('x-content-type-options'),
    ]).toEqual(['image/png', 'nosniff'])
    expect(Buffer.from(await image.arrayBuffer())).toEqual(PNG)
    const sheet = /rel="stylesheet" href="([^"]+)"/.exec(html)?.[1] ?? expect.unreachable()
    expect(await (await rig.app.request(`${ISSUER}${sheet}`)).text()).toMatch(
      /--act:#1d4ed8.*--ground:#fff4e0/s,
    )
    expect((await browser.get(`${PATH}?result=saved`)).text).toContain(
      'Every broker follows within a second.',
    )
  })

  test('counts over the environment, field by field, until it is taken away', async () => {
    const world = await createWorld()
    Object.assign(world.rig.config.look, {
      product: 'From the environment',
      organization: 'Environment Ltd',
    })
    await enter(world)
    await save(world, { product: 'Contoso Cases', logo: PNG })
    expect(world.rig.config.look).toMatchObject({
      product: 'Contoso Cases',
      organization: 'Environment Ltd',
    })
    // A form without an image keeps the image. The checkbox removes it.
    await save(world, { product: 'Contoso Cases' })
    expect(world.rig.config.look.logo).toBeDefined()
    await save(world, { product: '', 'logo-remove': 'yes' })
    expect(world.rig.config.look).toMatchObject({
      product: 'From the environment',
      logo: undefined,
    })
    expect(await world.rig.store.setting('branding')).toBeUndefined()
  })

  test('is read by another broker of the store, when that broker is notified that the registry changed', async () => {
    const world = await open()
    const { rig } = world
    const other = { ...rig.config, look: { ...rig.config.look } }
    let hear: ((what: 'registry') => void) | undefined
    const store = {
      ...rig.store,
      onElsewhere: (listener: typeof hear) => (hear = listener),
    } as typeof rig.store
    const branding = await SavedBranding.open({ store: rig.store, config: other })
    followOtherBrokers({ ...rig.deps, store, branding })
    await save(world, { product: 'Contoso Cases' })
    expect(other.look.product).toBe('Case Manager')
    hear?.('registry')
    await expect.poll(() => other.look.product).toBe('Contoso Cases')
  })

  test('of two readings at once, the later one counts, whichever ends first', async () => {
    const { rig } = await open()
    const gate = Promise.withResolvers<undefined>()
    let reads = 0
    const setting = (name: string) => (reads++ === 0 ? gate.promise : rig.store.setting(name))
    const branding = new SavedBranding({ store: { ...rig.store, setting }, config: rig.config })
    const early = branding.read()
    await branding.save({ texts: { product: 'Contoso Cases' }, images: {} })
    gate.resolve(undefined)
    await early
    expect(rig.config.look.product).toBe('Contoso Cases')
  })

  test('is in the audit log, without the images', async () => {
    const world = await open()
    await save(world, { product: 'Contoso Cases', logo: PNG })
    const [entry] = await world.rig.store.listAudit({ limit: 1 })
    expect(entry).toMatchObject({ act: 'branding.change', via: 'setup' })
    expect(JSON.stringify(entry)).toContain('Contoso Cases')
    expect(JSON.stringify(entry)).not.toContain(PNG.toString('base64').slice(0, 20))
  })
})

describe('what is rejected changes nothing, and says why', () => {
  test.each([
    [
      { accent: '#7dd3fc' },
      /its contrast to the pages’ background is 1\.\d:1, and text needs 4\.5:1/,
    ],
    [{ background: '#0b5563' }, /the contrast of text on it is 1\.\d:1, and text needs 4\.5:1/],
    [{ product: '<b>' }, /must hold neither control characters nor/],
    [{ support: 'javascript:alert(1)' }, /must be a mailto:, tel: or https address/],
    [{ privacy: 'http://contoso.example' }, /must be an https address/],
    [{ logo: Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>') }, /is neither PNG nor WebP/],
    [{ logo: Buffer.concat([PNG, Buffer.alloc(100_000)]) }, /has 101 kB/],
  ])('%j', async (fields, words) => {
    const world = await open()
    const { status, html } = await save(world, fields as Record<string, string | Buffer>)
    expect(status).toBe(400)
    expect(html).toMatch(words)
    expect(await world.rig.store.setting('branding')).toBeUndefined()
  })

  test('a form of another site, and one without a session', async () => {
    const world = await open()
    expect(
      (await save(world, { product: 'Evil' }, { origin: 'https://evil.example' })).status,
    ).toBe(403)
    expect((await save(world, { product: 'Evil', csrf: 'made-up' })).status).toBe(403)
    const stranger = await world.rig.opsApp.request(OPS + PATH, {
      method: 'POST',
      body: new FormData(),
      headers: { origin: OPS },
    })
    expect(stranger.status).toBe(401)
    expect(world.rig.config.look.product).toBe('Case Manager')
  })
})
