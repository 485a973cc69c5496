import { Ajv2020 } from 'ajv/dist/2020.js'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { clientsFileJsonSchema } from '../../src/client/clients-file-schema.ts'
import { parseClientMetadata } from '../../src/client/metadata.ts'
import { variablesOf } from '../../src/config/read.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { SWITCHES, WEBHOOK_EVENTS, WEBHOOK_SWITCHES, WEBHOOK_TYPES, webhookJsonSchema } from '../../src/protocol/webhook-event.ts'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = [
  'README.md',
  'SECURITY.md',
  'CHANGELOG.md',
  ...['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]
/** As GitHub makes them of headings, and those that a page names itself. */
const anchorsOf = (page: string): Set<string> =>
  new Set([
    ...[...text(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .replace(/[^\p{L}\p{N}_\- ]/gu, '')
        .replaceAll(' ', '-'),
    ),
    ...[...text(page).matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id),
  ])
/** The example of a clients file in the documentation. */
const example = (): { clients: Record<string, unknown>[] } =>
  parse(/```yaml\n(clients:[\s\S]*?)```/.exec(text('docs/clients.md'))?.[1] ?? '') as { clients: Record<string, unknown>[] }

describe('the documentation', () => {
  test('links to files that are there', () => {
    const missing = pages.flatMap((page) =>
      [...text(page).matchAll(/\]\(([^)#\s:]+)(?:#[^)]*)?\)/g)]
        .map(([, target]) => target ?? '')
        .filter((target) => !existsSync(resolve(root, dirname(page), target)) && !target.endsWith('.png'))
        .map((target) => `${page}: ${target}`),
    )
    expect(missing).toEqual([])
  })

  test('links to headings that are there', () => {
    const missing = pages.flatMap((page) =>
      [...text(page).matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)]
        .map(([, target = '', anchor = '']) => ({ file: join(dirname(page), target === '' ? basename(page) : target), anchor }))
        .filter(({ file, anchor }) => file.endsWith('.md') && !anchorsOf(file).has(anchor))
        .map(({ file, anchor }) => `${page}: ${file}#${anchor}`),
    )
    expect(missing).toEqual([])
  })

  test('names no setting that is not read', () => {
    const known = new Set(variablesOf(SETTINGS))
    for (const page of [...pages, 'compose.yaml']) {
      if (page === 'CHANGELOG.md' || page.startsWith('docs/decisions/')) continue
      const named = new Set([...text(page).matchAll(/BROKER_[A-Z_]*[A-Z]/g)].map(([name]) => name))
      expect([page, [...named].filter((name) => !known.has(name))]).toEqual([page, []])
    }
  })

  test('has an example of a clients file that the broker takes', () => {
    for (const { client_secret_hash: _hash, client_secret_file: _file, client_id: id, ...wire } of example().clients) {
      expect(parseClientMetadata(wire, { clientId: String(id) })).toMatchObject({ ok: true })
    }
  })
})

describe('docs/clients.schema.json', () => {
  test('is what cmb clients schema prints: run cmb clients schema > docs/clients.schema.json', () => {
    expect(JSON.parse(text('docs/clients.schema.json'))).toEqual(JSON.parse(JSON.stringify(clientsFileJsonSchema())))
  })

  test('takes the example and refuses a misspelt field', () => {
    const check = new Ajv2020({ strict: false }).compile(clientsFileJsonSchema())
    expect([check(example()), check.errors]).toEqual([true, null])
    expect(check({ clients: [{ ...example().clients[0], colour: 'red' }] })).toBe(false)
  })
})

describe('docs/webhooks.md', () => {
  test('has each event with when it is sent, and each switch with what it adds', () => {
    const rows = [
      ...WEBHOOK_TYPES.map((type) => `| \`${type}\` | ${WEBHOOK_EVENTS[type].when} |`),
      ...WEBHOOK_SWITCHES.map((one) => `| \`${one}\` | ${SWITCHES[one].map((member) => `\`${member}\``).join(', ')} |`),
    ]
    const page = text('docs/webhooks.md')
    expect(rows.filter((row) => !page.includes(row))).toEqual([])
  })

  test('has an example that its schema takes; the schema is what cmb webhooks schema prints', () => {
    const schema: unknown = JSON.parse(text('docs/webhooks.schema.json'))
    expect(schema).toEqual(JSON.parse(JSON.stringify(webhookJsonSchema())))
    const check = new Ajv2020({ strict: false, formats: { 'date-time': true, uuid: true } }).compile(schema as object)
    const message = JSON.parse(/```json\n([^]*?)```/.exec(text('docs/webhooks.md'))?.[1] ?? '') as Record<string, unknown>
    expect([check(message), check.errors]).toEqual([true, null])
    expect(check({ ...message, type: 'webhook.unknown' })).toBe(false)
  })
})
