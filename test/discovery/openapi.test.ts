import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Hono } from 'hono'
import { readFileSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { clientsFileJsonSchema } from '../../src/clients/clients-file-schema.ts'
import { MEMBERS } from '../../src/protocol/texts/members.ts'
import { WEBHOOK_TYPES } from '../../src/protocol/webhook-types.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { createRig, ISSUER, type RegisteredClient, type Rig } from '../rig.ts'
import { claimsOf } from '../token/tokens.ts'

/**
 * The description is held against the routes there are, and against what they answer: a member that
 * it does not name fails.
 */

type Json = Record<string, unknown>
interface Document {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  webhooks: Json
  components: { schemas: Record<string, Json> }
}
interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security: Json[]
  responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>
}

const METHODS = new Set(['get', 'post', 'put', 'patch', 'delete'])
const readDocument = async (rig: Rig): Promise<Document> =>
  (await (await rig.app.request(`${ISSUER}/openapi.json`)).json()) as Document
const operationsOf = (document: Document) =>
  Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item)
      .filter(([method]) => METHODS.has(method))
      .map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )

/**
 * Returns whether the document describes the path: neither a page, nor a document at its own
 * address.
 */
const isDescribed = (path: string) =>
  /^\/((admin\/v1|revocations|signal|ssf)\/?|(healthz|readyz|metrics|authorize|par|token|introspect|revoke|userinfo|logout)$)/.test(
    path,
  ) && !path.includes('*')
const routesOf = (app: Hono) =>
  app.routes
    .filter(({ method, path }) => method !== 'ALL' && method !== 'OPTIONS' && isDescribed(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)(?:\{[^/]*\})?/g, '{$1}')}`)
describe('openapi.json', () => {
  let rig: Rig
  let document: Document
  beforeAll(async () => {
    rig = await createRig({ onEnd: () => {} })
    document = await readDocument(rig)
    return async () => {
      rig.feed.close()
      await rig.store.close()
    }
  })

  test('is what docs/admin-api.md lists: each operation with its summary and the scope that it needs', () => {
    const page = readFileSync(new URL('../../docs/admin-api.md', import.meta.url), 'utf8')
    const rows = operationsOf(document)
      .filter(({ path }) => path.startsWith('/admin/v1/'))
      .map(({ method, path, operation }) => {
        const [scope] = Object.values(operation.security[0] ?? {}).flat()
        return `| \`${method} ${path.slice('/admin/v1'.length)}\` | ${operation.summary} | \`${String(scope)}\` |`
      })
    expect(page.split('\n').filter((line) => /^\| `[A-Z]+ \//.test(line))).toEqual(rows)
  })

  test('has each type of webhook, and a name and a discriminator for each kind of selector', () => {
    expect(Object.keys(document.webhooks)).toEqual([...WEBHOOK_TYPES])
    const { discriminator, oneOf } = document.components.schemas.Selector as {
      discriminator: { mapping: Record<string, string> }
      oneOf: Json[]
    }
    expect(Object.keys(discriminator.mapping)).toEqual([
      'session',
      'grant',
      'subject',
      'client',
      'tenant',
      'everything',
    ])
    expect(oneOf).toEqual(Object.values(discriminator.mapping).map((ref) => ({ $ref: ref })))
    for (const [kind, ref] of Object.entries(discriminator.mapping))
      expect(document.components.schemas[ref.split('/').at(-1) ?? '']).toMatchObject({
        properties: { kind: { const: kind } },
      })
  })

  test('names each kind of a lock’s target, so that no generated type has a number', () => {
    const kinds = (name: string) => document.components.schemas[name]?.anyOf
    const refs = (...names: string[]) =>
      names.map((name) => ({ $ref: `#/components/schemas/Locked${name}` }))
    expect(kinds('LockTarget')).toEqual(refs('User', 'Tenant', 'Client'))
    expect(kinds('NamedLockTarget')).toEqual(refs('User', 'UserBySub', 'Tenant', 'Client'))
  })

  test('has a name for each alternative, so that no generated type has a number', () => {
    const unnamed: string[] = []
    const walk = (node: unknown, at: string): void => {
      if (typeof node !== 'object' || node === null) return
      for (const [key, value] of Object.entries(node)) {
        if ((key === 'anyOf' || key === 'oneOf') && Array.isArray(value))
          for (const json of value as Json[])
            if (('properties' in json || 'enum' in json) && json.title === undefined)
              unnamed.push(at)
        walk(value, `${at}/${key}`)
      }
    }
    const { webhooks: _, ...rest } = document
    walk(rest, '')
    expect(unnamed).toEqual([])
  })

  test('has every route that is not a page, and no other', () => {
    const routes = new Set([...routesOf(rig.app), ...routesOf(rig.opsApp)])
    expect(
      operationsOf(document)
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual([...routes].sort())
  })

  test('is whole: version, ids once each, a summary, known tags, who may, answers', () => {
    expect(document.openapi).toBe('3.1.0')
    const operations = operationsOf(document)
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(
      operations.length,
    )
    for (const { path, operation } of operations) {
      expect([
        path,
        operation.summary.length > 5,
        operation.tags.length,
        Array.isArray(operation.security),
      ]).toEqual([path, true, 1, true])
      expect(Object.keys(operation.responses).length).toBeGreaterThan(0)
    }
    for (const { path, operation } of operations) {
      const declared = [...JSON.stringify(operation).matchAll(/"name":"(\w+)","in":"path"/g)].map(
        ([, name]) => name,
      )
      expect([path, declared.sort()]).toEqual([
        path,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort(),
      ])
    }
  })

  test('every reference leads somewhere, every shape is JSON Schema 2020-12 and is used', () => {
    const text = JSON.stringify(document)
    const used = new Set(
      [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name ?? ''),
    )
    expect([...used].sort()).toEqual(Object.keys(document.components.schemas).sort())
    const ajv = new Ajv2020({ strict: false, formats: { uuid: true } })
    ajv.addSchema({ $id: 'openapi', components: document.components })
    for (const name of used)
      expect(() => ajv.compile({ $ref: `openapi#/components/schemas/${name}` })).not.toThrow()
  })

  test('says of every member and parameter what it means, with examples that hold, and every meaning is used', () => {
    const said = new Set<unknown>()
    const silent: string[] = []
    const ajv = new Ajv2020({ strict: false, formats: { uuid: true, email: true } })
    const check = (at: string, { description, examples, ...schema }: Json) => {
      if (description === undefined) silent.push(at)
      said.add(String(description).replace(/, in epoch (milli)?seconds$/, ''))
      for (const example of (examples ?? []) as string[])
        if (!ajv.validate(schema, example)) silent.push(`${at}: ${example}`)
    }
    const walk = (node: unknown, at: string): void => {
      if (typeof node !== 'object' || node === null) return
      const { properties, in: place, name } = node as Json
      if (place !== undefined) check(`${at} ${String(name)}`, node as Json)
      for (const [member, schema] of Object.entries(properties ?? {}))
        check(`${at} ${member}`, schema as Json)
      for (const [key, member] of Object.entries(node)) walk(member, `${at}/${key}`)
    }
    walk({ ...document, tags: [] }, '')
    walk(clientsFileJsonSchema(), 'clients file')
    expect(silent).toEqual([])
    expect(Object.values(MEMBERS).filter((meaning) => !said.has(meaning))).toEqual([])
  })

  test('names the operators’ listener by its own address', async () => {
    const elsewhere = await createRig({ config: { opsOrigin: 'https://ops.case-manager.example' } })
    const { paths } = await readDocument(elsewhere)
    expect(paths['/admin/v1/status']?.servers).toMatchObject([
      { url: 'https://ops.case-manager.example' },
    ])
    expect(paths['/token']?.servers).toBeUndefined()
  })
})

/** One: each compiles the schema of schemas again, which takes most of the time of these tests. */
const answers = new Ajv2020({ strict: false, allErrors: true, formats: { uuid: true } })

/** A schema with nothing let through that it does not name, references replaced by what they name. */
function closed(document: Document, schema: Json, inside = false): Json {
  const target =
    typeof schema.$ref === 'string'
      ? (document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? {})
      : schema
  const next: Json = { ...target }
  if (target.properties !== undefined)
    next.properties = Object.fromEntries(
      Object.entries(target.properties as Record<string, Json>).map(([name, json]) => [
        name,
        closed(document, json),
      ]),
    )
  if (target.items !== undefined) next.items = closed(document, target.items as Json)
  for (const list of ['oneOf', 'anyOf'] as const)
    if (Array.isArray(target[list]))
      next[list] = (target[list] as Json[]).map((json) => closed(document, json, inside))
  if (Array.isArray(target.allOf))
    next.allOf = (target.allOf as Json[]).map((json) => closed(document, json, true))
  if (inside) delete next.additionalProperties
  else if (target.properties !== undefined || target.allOf !== undefined)
    next.unevaluatedProperties = false
  return next
}

describe('what is answered is what openapi.json says', () => {
  /** A log with something of everything in it. */
  async function populated() {
    const rig = await createRig()
    const sydney = await rig.register('Sydney')
    const machine = await rig.register('Machine', {
      grants: ['client_credentials'],
      scopes: ['broker:operate', 'broker:administer'],
    })
    const { session } = await rig.openSession()
    await rig.signInAt(session.sid, sydney)
    const other = await rig.openSession({ user: { oid: '00000000-0000-4000-8000-00000000b0bb' } })
    await rig.signInAt(other.session.sid, sydney)
    const now = rig.clock.now()
    const { outcome } = await requestRevocation(rig.deps, {
      selector: { kind: 'session', sid: session.sid },
      reason: 'administrator',
      actor: { kind: 'operator', id: 'olga' },
      now,
      caseReference: 'C-1',
      comment: 'lost laptop',
    })
    expect(outcome).toBe('revoked')
    const [ref] = rig.queue.added
    if (ref === undefined) return expect.fail('nothing is owed')
    const delivery = await rig.store.findDelivery(ref.id)
    const head = await rig.store.head()
    await rig.store.recordEnforced({
      clientId: 'sydney',
      guardId: 'default',
      epoch: head.epoch,
      enforcedSeq: head.seq,
      reportedAtMs: rig.clock.nowMs(),
    })
    return {
      rig,
      sydney,
      session: other.session,
      machine,
      head,
      deliveryId: delivery?.id ?? '',
      document: await readDocument(rig),
    }
  }
  type World = Exclude<Awaited<ReturnType<typeof populated>>, never>

  const tokenOf = async (rig: Rig, client: RegisteredClient): Promise<string> => {
    const response = await rig.post(
      '/token',
      { grant_type: 'client_credentials', scope: 'broker:administer' },
      { authorization: client.basic },
    )
    return ((await response.json()) as { access_token: string }).access_token
  }

  async function ask(
    world: World,
    template: string,
    path: string,
    init: { method?: string; body?: unknown; authorization?: string } = {},
  ): Promise<[string, number]> {
    const {
      method = 'GET',
      body,
      authorization = `Bearer ${await tokenOf(world.rig, world.machine)}`,
    } = init
    const operators = /^\/(admin|readyz|metrics)/.test(path)
    const headers = {
      authorization,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    }
    const response = await (operators ? world.rig.opsApp : world.rig.app).request(
      `${ISSUER}${path}`,
      {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      },
    )
    const said = world.document.paths[template]?.[method.toLowerCase()]?.responses[response.status]
    const type = response.headers.get('content-type')?.split(';')[0] ?? ''
    if (said === undefined)
      return expect.fail(`${method} ${template} answers ${response.status}, which is not described`)
    if (said.content === undefined) return [`${method} ${path}`, response.status]
    const schema = said.content[type]?.schema
    if (schema === undefined)
      return expect.fail(
        `${method} ${template} answers ${response.status} as ${type}, which is not described`,
      )
    if (type.endsWith('json')) {
      const check = answers.compile(closed(world.document, schema))
      const answer: unknown = await response.json()
      if (!check(answer))
        expect.fail(
          `${method} ${path}: ${answers.errorsText(check.errors)} in ${JSON.stringify(answer).slice(0, 600)}`,
        )
    }
    return [`${method} ${path}`, response.status]
  }

  test('reading', async () => {
    const world = await populated()
    const reads: [string, string][] = [
      ['/admin/v1/clients', '/admin/v1/clients'],
      ['/admin/v1/clients/{id}', '/admin/v1/clients/sydney'],
      ['/admin/v1/sessions', '/admin/v1/sessions?user=alice'],
      ['/admin/v1/sign-ins', '/admin/v1/sign-ins?client_id=sydney'],
      ['/admin/v1/reports', '/admin/v1/reports'],
      ['/admin/v1/search', '/admin/v1/search?q=alice'],
      ['/admin/v1/search', `/admin/v1/search?q=${world.session.sid}`],
      ['/admin/v1/search', '/admin/v1/search?q=C-1'],
      ['/admin/v1/search', `/admin/v1/search?q=${world.head.seq}`],
      [
        '/admin/v1/revocations',
        '/admin/v1/revocations?case_reference=C-1&reason=administrator&since=1&until=9999999999',
      ],
      ['/admin/v1/revocations/{seq}', `/admin/v1/revocations/${world.head.seq}`],
      ['/admin/v1/deliveries', '/admin/v1/deliveries'],
      ['/admin/v1/deliveries/{id}', `/admin/v1/deliveries/${world.deliveryId}`],
      ['/admin/v1/keys', '/admin/v1/keys'],
      ['/admin/v1/tenants', '/admin/v1/tenants'],
      ['/admin/v1/audit', '/admin/v1/audit?since_ms=1&until_ms=9999999999999'],
      ['/admin/v1/status', '/admin/v1/status'],
      ['/admin/v1/guards', '/admin/v1/guards'],
      ['/admin/v1/doctor', '/admin/v1/doctor'],
      ['/healthz', '/healthz'],
      ['/readyz', '/readyz'],
    ]
    for (const [template, path] of reads)
      expect(await ask(world, template, path)).toEqual([`GET ${path}`, 200])
    expect(
      await ask(world, '/revocations', '/revocations', { authorization: world.sydney.basic }),
    ).toEqual(['GET /revocations', 200])
  })

  test('changing', async () => {
    const world = await populated()
    const registration = {
      client_name: 'Case Manager Perth',
      redirect_uris: ['https://perth.case-manager.example/oidc/callback'],
    }
    const acts: [string, string, string, unknown, number][] = [
      [
        'POST',
        '/admin/v1/clients',
        '/admin/v1/clients',
        { client_id: 'perth', ...registration },
        201,
      ],
      ['PATCH', '/admin/v1/clients/{id}', '/admin/v1/clients/perth', { client_name: 'Perth' }, 200],
      ['POST', '/admin/v1/clients/{id}/secrets', '/admin/v1/clients/perth/secrets', undefined, 201],
      ['DELETE', '/admin/v1/clients/{id}', '/admin/v1/clients/perth', undefined, 200],
      [
        'POST',
        '/admin/v1/revocations',
        '/admin/v1/revocations',
        { selector: { kind: 'everything' }, dry_run: true },
        200,
      ],
      [
        'POST',
        '/admin/v1/revocations',
        '/admin/v1/revocations',
        { selector: { kind: 'session', sid: world.session.sid } },
        201,
      ],
      [
        'POST',
        '/admin/v1/revocations',
        '/admin/v1/revocations',
        { selector: { kind: 'session', sid: world.session.sid } },
        200,
      ],
      ['POST', '/admin/v1/deliveries/redrive', '/admin/v1/deliveries/redrive', { all: true }, 200],
      [
        'POST',
        '/admin/v1/deliveries/close',
        '/admin/v1/deliveries/close',
        { client_id: 'sydney', reason: 'gone' },
        200,
      ],
      [
        'POST',
        '/admin/v1/microsoft-work/redrive',
        '/admin/v1/microsoft-work/redrive',
        { all: true },
        200,
      ],
      [
        'POST',
        '/admin/v1/users/erase',
        '/admin/v1/users/erase',
        { sub: world.session.sub, dry_run: true },
        200,
      ],
      ['POST', '/admin/v1/users/erase', '/admin/v1/users/erase', { sub: world.session.sub }, 200],
      [
        'POST',
        '/admin/v1/keys/rotate',
        '/admin/v1/keys/rotate',
        { alg: 'ES256', how: 'next' },
        201,
      ],
      [
        'POST',
        '/admin/v1/tenants',
        '/admin/v1/tenants',
        { tid: '33333333-3333-4333-8333-333333333333', name: 'Third' },
        201,
      ],
      [
        'DELETE',
        '/admin/v1/tenants/{tid}',
        '/admin/v1/tenants/33333333-3333-4333-8333-333333333333',
        undefined,
        200,
      ],
      ['POST', '/admin/v1/setup/token', '/admin/v1/setup/token', undefined, 403],
      [
        'POST',
        '/admin/v1/fresh-sign-in/waivers',
        '/admin/v1/fresh-sign-in/waivers',
        { selector: { kind: 'tenant', tid: '33333333-3333-4333-8333-333333333333' }, hours: 1 },
        403,
      ],
      ['POST', '/admin/v1/backup', '/admin/v1/backup', { path: '/nowhere' }, 403],
    ]
    for (const [method, template, path, body, status] of acts)
      expect(await ask(world, template, path, { method, body })).toEqual([
        `${method} ${path}`,
        status,
      ])
    const report = { epoch: world.head.epoch, seq: world.head.seq, guard: 'default' }
    expect(
      await ask(world, '/revocations/enforced', '/revocations/enforced', {
        method: 'POST',
        body: report,
        authorization: world.sydney.basic,
      }),
    ).toEqual(['POST /revocations/enforced', 204])
  })

  test('about one session of an instance', async () => {
    const { rig, session, sydney, document } = await populated()
    for (const [sid, sub] of [
      [session.sid, session.sub],
      ['unknown', 'unknown'],
    ] as const) {
      const answer = await rig.post(
        '/revocations/session',
        { sid, sub },
        { authorization: sydney.basic },
      )
      expect(answer.status).toBe(200)
    }
    expect(document.paths).toHaveProperty('/revocations/session')
  })

  test('with no token, an unknown id or a malformed body', async () => {
    const world = await populated()
    for (const authorization of ['Bearer nonsense', ''])
      expect(
        (await ask(world, '/admin/v1/clients', '/admin/v1/clients', { authorization }))[1],
      ).toBe(401)
    expect(await ask(world, '/admin/v1/clients/{id}', '/admin/v1/clients/nobody')).toEqual([
      'GET /admin/v1/clients/nobody',
      404,
    ])
    expect(
      (
        await ask(world, '/admin/v1/revocations', '/admin/v1/revocations', {
          method: 'POST',
          body: { selector: { kind: 'x' } },
        })
      )[1],
    ).toBe(400)
    expect(
      (await ask(world, '/revocations', '/revocations', { authorization: 'Basic eDp5' }))[1],
    ).toBe(401)
    expect(
      (
        await ask(world, '/revocations', '/revocations?after=1', {
          authorization: world.sydney.basic,
        })
      )[1],
    ).toBe(400)
    const user = await world.rig.signInAt((await world.rig.openSession()).session.sid, world.sydney)
    expect(claimsOf(user.access_token)).toHaveProperty('sid')
    expect(
      (
        await ask(world, '/admin/v1/keys', '/admin/v1/keys', {
          authorization: `Bearer ${user.access_token}`,
        })
      )[1],
    ).toBe(401)
  })
})
