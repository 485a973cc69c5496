import { beforeEach, describe, expect, test } from 'vitest'
import { atConsole, USERS } from '../console/console.ts'
import { createRig, ISSUER, type Rig, TENANT } from '../rig.ts'

/**
 * Broker.Auditor and broker:audit: everything that an operator reads, and nothing that changes
 * anything.
 */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

interface Operation {
  method: string
  path: string
  security: { admin?: string[] }[]
}

/** Every operation of the admin API, as openapi.json lists them. */
async function operations(): Promise<Operation[]> {
  const document = (await (await rig.app.request(`${ISSUER}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, Operation>>
  }
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(
        ([method]) =>
          ['get', 'post', 'put', 'patch', 'delete'].includes(method) &&
          path.startsWith('/admin/v1/'),
      )
      .map(([method, { security }]) => ({ method: method.toUpperCase(), path, security })),
  )
}

async function auditorsToken(): Promise<string> {
  const robot = await rig.register('Robot', {
    grants: ['client_credentials'],
    redirectUris: [],
    scopes: ['broker:audit'],
  })
  const response = await rig.post(
    '/token',
    { grant_type: 'client_credentials', scope: 'broker:audit' },
    { authorization: robot.basic },
  )
  return ((await response.json()) as { access_token: string }).access_token
}

describe('broker:audit at the admin API', () => {
  test('is rejected by every operation of openapi.json that is not a GET, before its body is read', async () => {
    const token = await auditorsToken()
    const writing = (await operations()).filter(({ method }) => method !== 'GET')
    expect(writing.length).toBeGreaterThan(25)
    for (const { method, path } of writing) {
      const address = `http://localhost:7401${path.replace(/\{(\w+)\}/g, 'anything-1')}`
      const answer = await rig.opsApp.request(address, {
        method,
        headers: { authorization: `Bearer ${token}` },
      })
      expect([method, path, answer.status]).toEqual([method, path, 403])
    }
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
  })

  test('reads what broker:operate reads, and what openapi.json says', async () => {
    const token = await auditorsToken()
    const reading = (await operations()).filter(
      ({ method, security }) =>
        method === 'GET' && security[0]?.admin?.includes('broker:audit') === true,
    )
    const plain = reading.filter(({ path }) => !path.includes('{') && !path.endsWith('/evidence'))
    expect(plain.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['/admin/v1/status', '/admin/v1/audit', '/admin/v1/sessions']),
    )
    for (const { path } of plain) {
      const query = path.endsWith('/search') ? '?q=aura' : ''
      const answer = await rig.opsApp.request(`http://localhost:7401${path}${query}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      expect([path, answer.status]).toEqual([path, 200])
    }
  })
})

describe('Broker.Auditor at the console', () => {
  test('sees every page that an operator sees, and is named as an auditor', async () => {
    const aura = await atConsole(rig, 'auditor')
    const page = await aura.get('/ops')
    expect(page.html).toContain('Aura Auditor<small>auditor, read only</small>')
    const listed = [...page.html.matchAll(/href="(\/ops\/[\w/]+)"/g)]
      .map(([, href = '']) => href)
      .filter((href) => !/assets|queue/.test(href))
    for (const path of listed) expect([path, (await aura.get(path)).status]).toEqual([path, 200])
    expect(listed).not.toContain('/ops/revoke')
  })

  test('is rejected by every form, however it is sent; signing out is their own', async () => {
    const aura = await atConsole(rig, 'auditor')
    const { csrf = '' } =
      (await aura.get('/ops')).forms.find(({ action }) => action === '/ops/sign-out')?.fields ?? {}
    const forms = rig.opsApp.routes
      .filter(({ method, path }) => method === 'POST' && path.startsWith('/ops/'))
      .map(({ path }) => path)
    const acting = [...new Set(forms)].filter((path) => path !== '/ops/sign-out')
    expect(acting).toEqual(
      expect.arrayContaining([
        '/ops/revoke',
        '/ops/lock',
        '/ops/deliveries/try',
        '/ops/microsoft/redrive',
      ]),
    )
    for (const path of acting) {
      const answer = await aura.post(path, { csrf, all: 'yes', kind: 'everything' })
      expect([path, answer.status, answer.text.includes('change nothing')]).toEqual([
        path,
        403,
        true,
      ])
    }
    expect((await aura.get(`/ops/lock?user=${aura.sub}`)).status).toBe(403)
    expect((await aura.post('/ops/sign-out', { csrf })).title).toBe('You have left the console')
  })

  test('an operator cannot lock an auditor, an administrator can', async () => {
    await atConsole(rig, 'auditor')
    const target = { kind: 'user', tid: TENANT, oid: USERS.auditor.oid } as const
    const by = {
      target,
      actor: { kind: 'operator', id: 'x' },
      operatorTenant: TENANT,
      endsAt: rig.clock.now() + 60,
      now: rig.clock.now(),
    } as const
    expect(await rig.store.lock({ ...by, may: 'operate' })).toMatchObject({
      outcome: 'rejected',
      why: 'has_role',
    })
    expect(await rig.store.lock({ ...by, may: 'administer' })).toMatchObject({ outcome: 'locked' })
  })
})
