import { Ajv2020 } from 'ajv/dist/2020.js'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { clientsFileJsonSchema } from '../../src/client/clients-file-schema.ts'
import { parseClientMetadata } from '../../src/client/metadata.ts'

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
/** The example of a clients file in the documentation. */
const example = (): { clients: Record<string, unknown>[] } =>
  parse(/```yaml\n(clients:[\s\S]*?)```/.exec(text('docs/configuration.md'))?.[1] ?? '') as { clients: Record<string, unknown>[] }

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

  test('names every setting that is read, and none that is not', () => {
    const named = (source: string): Set<string> => new Set([...source.matchAll(/BROKER_[A-Z_]*[A-Z]/g)].map(([name]) => name.replace(/_FILE$/, '')))
    const inCode = named(text('src/config/config.ts') + text('src/config/signals.ts'))
    const inDocs = named(text('docs/configuration.md'))
    expect([...inCode].filter((name) => !inDocs.has(name))).toEqual([])
    const known = new Set([...inCode, ...named(text('src/start.ts'))])
    for (const page of ['docs/configuration.md', 'docs/operations.md', 'README.md', 'compose.yaml'])
      expect([page, [...named(text(page))].filter((name) => !known.has(name))]).toEqual([page, []])
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
