import { beforeEach, expect, test } from 'vitest'
import { atConsole } from '../console/console.ts'
import { createRig, ISSUER, type Rig } from '../rig.ts'

/**
 * Postgres stores no NUL character (U+0000), so no text that is stored or looked for may have one,
 * on either store.
 */

let rig: Rig
beforeEach(async () => {
  rig = await createRig()
})

interface Schema {
  type?: string
  pattern?: string
  enum?: unknown[]
  const?: unknown
  $ref?: string
  items?: Schema
  properties?: Record<string, Schema>
  additionalProperties?: Schema | boolean
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
}

interface Document {
  paths: Record<
    string,
    Record<
      string,
      {
        parameters?: { name: string; schema: Schema }[]
        requestBody?: { content: Record<string, { schema: Schema }> }
      }
    >
  >
  components: { schemas: Record<string, Schema> }
}

/** Returns the places where a schema accepts any text. */
function freeTexts(schema: Schema, at: string, all: Document['components']['schemas']): string[] {
  if (schema.$ref !== undefined)
    return freeTexts(all[schema.$ref.split('/').at(-1) ?? ''] ?? {}, at, all)
  const inner = [
    ...[...(schema.anyOf ?? []), ...(schema.oneOf ?? []), ...(schema.allOf ?? [])].map(
      (each): [string, Schema] => [at, each],
    ),
    ...Object.entries(schema.properties ?? {}).map(([name, each]): [string, Schema] => [
      `${at}.${name}`,
      each,
    ]),
    ...(schema.items === undefined ? [] : [[`${at}[]`, schema.items] as [string, Schema]]),
    ...(typeof schema.additionalProperties === 'object'
      ? [[`${at}.*`, schema.additionalProperties] as [string, Schema]]
      : []),
  ]
  const free =
    schema.type === 'string' &&
    schema.pattern === undefined &&
    schema.enum === undefined &&
    schema.const === undefined
  return [...(free ? [at] : []), ...inner.flatMap(([place, each]) => freeTexts(each, place, all))]
}

test('no parameter and no member of the admin API takes a NUL character, and openapi.json says so', async () => {
  const { paths, components } = (await (
    await rig.app.request(`${ISSUER}/openapi.json`)
  ).json()) as Document
  const found = Object.entries(paths)
    .filter(([path]) => path.startsWith('/admin/v1/'))
    .flatMap(([path, item]) =>
      Object.entries(item).flatMap(([method, { parameters = [], requestBody }]) => {
        const at = `${method} ${path}`
        const bodies = Object.values(requestBody?.content ?? {}).map(({ schema }) => schema)
        return [
          ...parameters.flatMap(({ name, schema }) =>
            freeTexts(schema, `${at} ${name}`, components.schemas),
          ),
          ...bodies.flatMap((schema) => freeTexts(schema, at, components.schemas)),
        ]
      }),
    )
  expect(found).toEqual([])
})

test('a text with a NUL character is rejected with 400 at the token endpoint, /authorize and the console', async () => {
  const atToken = await rig.post('/token', { grant_type: 'authorization_code', code: 'a\0b' })
  expect(atToken.status).toBe(400)
  expect(await atToken.json()).toMatchObject({
    error: 'invalid_request',
    error_description: expect.stringContaining('code has a NUL character') as string,
  })
  expect((await rig.app.request(`${ISSUER}/authorize?client_id=sydney&nonce=%00`)).status).toBe(400)
  const operator = await atConsole(rig, 'operator')
  for (const path of ['/ops/audit?case=%00', '/ops/clients/%00', '/ops/search?q=%00'])
    expect([path, (await operator.get(path)).status]).toEqual([path, 400])
})
