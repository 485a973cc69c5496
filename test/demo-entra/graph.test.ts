import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Entra } from '../../demo/entra/entra.ts'
import { CONTOSO } from '../../demo/entra/users.ts'
import { application, control, entra } from './relying-party.ts'

const ALICE = '00000000-0000-4000-8000-00000000a11c'
const YEAR_2024 = '2024-01-15T09:00:00Z'

async function graph(at: Entra, tenant: string = CONTOSO.tid) {
  const token = await (
    await application(at, tenant)
  ).acquireTokenByClientCredential({ scopes: ['https://graph.microsoft.com/.default'] })
  return async (path: string, method = 'GET', body?: unknown) => {
    const response = await fetch(
      path.startsWith('http') ? path : `${at.origin}/graph/v1.0${path}`,
      {
        method,
        headers: {
          authorization: `Bearer ${token!.accessToken}`,
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      },
    )
    const text = await response.text()
    return {
      status: response.status,
      headers: response.headers,
      body: (text === '' ? {} : JSON.parse(text)) as GraphBody,
    }
  }
}

interface GraphBody {
  [name: string]: unknown
  id?: string
  value?: unknown
  error?: { code: string }
}

interface Notification {
  changeType: string
  lifecycleEvent?: string
  resourceData: { id: string; sequenceNumber: number }
}

interface Receiver {
  url: string
  got: { validationToken: string | null; body: { value: Notification[] } | undefined }[]
  answerValidation: boolean
}

async function receiver(): Promise<Receiver> {
  const state: Receiver = { url: '', got: [], answerValidation: true }
  const server = createServer((req, res) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => chunks.push(chunk))
    req.on('end', () => {
      const validationToken = new URL(req.url!, 'http://x').searchParams.get('validationToken')
      const text = Buffer.concat(chunks).toString()
      state.got.push({
        validationToken,
        body: text === '' ? undefined : (JSON.parse(text) as { value: Notification[] }),
      })
      if (validationToken !== null)
        res
          .writeHead(200, { 'content-type': 'text/plain' })
          .end(state.answerValidation ? validationToken : 'what?')
      else res.writeHead(202).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  state.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/notify`
  return state
}

const inMinutes = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString()
const notifications = (to: Receiver) =>
  to.got
    .filter((request) => request.validationToken === null)
    .flatMap((request) => request.body?.value ?? [])
/** A receiver on a busy machine may get a notification twice: only its content counts. */
const delivered = (to: Receiver): string[] => [
  ...new Set(
    notifications(to).map(
      (notification) => `${notification.changeType} ${notification.resourceData.sequenceNumber}`,
    ),
  ),
]

describe('Graph users', () => {
  test('what was selected; no user signed out at first; 404 when deleted or of another tenant', async () => {
    const at = await entra()
    const call = await graph(at)
    const select = '?$select=id,accountEnabled,signInSessionsValidFromDateTime'
    expect((await call(`/users/${ALICE}${select}`)).body).toMatchObject({
      id: ALICE,
      accountEnabled: true,
      signInSessionsValidFromDateTime: YEAR_2024,
    })
    expect((await call(`/users/${ALICE}`)).body).not.toHaveProperty('accountEnabled')
    await control(at, 'users/alice@contoso.example', { deleted: true })
    expect(await call(`/users/${ALICE}${select}`)).toMatchObject({
      status: 404,
      body: { error: { code: 'Request_ResourceNotFound' } },
    })
    expect((await call('/users/faye@fabrikam.example')).status).toBe(404)
  })

  test('no token: 401; no permission consented: 403; throttled: 429 with Retry-After; down: 503', async () => {
    const at = await entra()
    expect((await fetch(`${at.origin}/graph/v1.0/users/${ALICE}`)).status).toBe(401)
    await control(at, 'switches', { consent: { [CONTOSO.tid]: 'admin' } })
    expect((await (await graph(at))(`/users/${ALICE}`)).body.error?.code).toBe(
      'Authorization_RequestDenied',
    )
    await control(at, 'switches', {
      consent: {},
      throttle: { areas: ['graph'], retryAfterSeconds: 11 },
    })
    const call = await graph(at)
    const throttled = await call(`/users/${ALICE}`)
    expect([throttled.status, throttled.headers.get('retry-after')]).toEqual([429, '11'])
    await control(at, 'switches', { throttle: null, outage: ['graph'] })
    expect((await call(`/users/${ALICE}`)).status).toBe(503)
  })

  test('delta: every user by pages, then only those who changed, deleted ones as @removed; a malformed link is rejected', async () => {
    const at = await entra()
    const call = await graph(at)
    let page = await call('/users/delta?$select=id,accountEnabled&$top=3')
    let seen = (page.body.value as unknown[]).length
    while (page.body['@odata.nextLink']) {
      page = await call(`${page.body['@odata.nextLink'] as string}&$top=3`)
      seen += (page.body.value as unknown[]).length
    }
    expect(seen).toBe(7)
    await control(at, 'users/alice@contoso.example', { accountEnabled: false })
    await control(at, 'users/bob@contoso.example', { deleted: true })
    const changes = await call(page.body['@odata.deltaLink'] as string)
    expect(changes.body['value']).toEqual([
      { id: ALICE, accountEnabled: false },
      { id: '00000000-0000-4000-8000-000000000b0b', '@removed': { reason: 'changed' } },
    ])
    expect((await call(changes.body['@odata.deltaLink'] as string)).body['value']).toEqual([])
    expect((await call('/users/delta?$deltatoken=nonsense')).status).toBe(400)
  })
})

describe('Graph subscriptions', () => {
  test('created after the handshake, shown, renewed, deleted', async () => {
    const at = await entra()
    const call = await graph(at)
    const to = await receiver()
    const made = await call('/subscriptions', 'POST', {
      changeType: 'updated,deleted',
      resource: '/users',
      notificationUrl: to.url,
      clientState: 'secret-state',
      expirationDateTime: inMinutes(60),
    })
    expect(made.status).toBe(201)
    expect(to.got[0]!.validationToken).toContain('Validation')
    expect(made.body).toMatchObject({
      resource: 'users',
      changeType: 'updated,deleted',
      clientState: null,
    })
    const later = inMinutes(41_000)
    expect(
      (await call(`/subscriptions/${made.body.id!}`, 'PATCH', { expirationDateTime: later })).body[
        'expirationDateTime'
      ],
    ).toBe(later)
    expect((await call('/subscriptions')).body['value']).toHaveLength(1)
    expect((await call(`/subscriptions/${made.body.id!}`, 'DELETE')).status).toBe(204)
    expect((await call(`/subscriptions/${made.body.id!}`)).status).toBe(404)
  })

  test('disabling and deleting notify with the id alone and the clientState; revoking alone does not, unless switched on', async () => {
    const at = await entra()
    const call = await graph(at)
    const to = await receiver()
    await call('/subscriptions', 'POST', {
      changeType: 'updated,deleted',
      resource: 'users',
      notificationUrl: to.url,
      clientState: 'secret-state',
      expirationDateTime: inMinutes(60),
    })
    await control(at, 'users/bob@contoso.example', { revokeSessions: true })
    await control(at, 'users/faye@fabrikam.example', { accountEnabled: false })
    await control(at, 'users/alice@contoso.example', { accountEnabled: false })
    await vi.waitFor(() => expect(delivered(to)).toHaveLength(1), { timeout: 60_000 })
    expect(notifications(to)[0]).toMatchObject({
      changeType: 'updated',
      clientState: 'secret-state',
      tenantId: CONTOSO.tid,
      resource: `Users/${ALICE}`,
      resourceData: { id: ALICE },
    })
    expect(JSON.stringify(notifications(to)[0])).not.toContain('alice')
    await control(at, 'switches', { revokeNotifies: true, duplicateNotifications: true })
    await control(at, 'users/bob@contoso.example', { revokeSessions: true })
    await vi.waitFor(
      () =>
        expect(
          notifications(to).filter((notification) => notification.resourceData.id !== ALICE).length,
        ).toBeGreaterThanOrEqual(2),
      {
        timeout: 60_000,
      },
    )
    await control(at, 'switches', { duplicateNotifications: false })
    await control(at, 'users/alice@contoso.example', { deleted: true })
    await vi.waitFor(
      () =>
        expect(notifications(to).map((notification) => notification.changeType)).toContain(
          'deleted',
        ),
      { timeout: 60_000 },
    )
  })
})
