import { Ajv2020 } from 'ajv/dist/2020.js'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { clientsFileJsonSchema } from '../../src/clients/clients-file-schema.ts'
import { parseClientMetadata } from '../../src/clients/metadata.ts'
import { variablesOf } from '../../src/config/read.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { WEBHOOK_EVENTS, webhookJsonSchema } from '../../src/protocol/webhook-event.ts'
import { SWITCHES, WEBHOOK_SWITCHES, WEBHOOK_TYPES } from '../../src/protocol/webhook-types.ts'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')
const text = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = [
  'README.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...['docs', 'docs/decisions'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
]
/** Returns the anchors that GitHub makes of headings, and those that a page names itself. */
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
  parse(/```yaml\n(clients:[\s\S]*?)```/.exec(text('docs/clients.md'))?.[1] ?? '') as {
    clients: Record<string, unknown>[]
  }

describe('the documentation', () => {
  test('states one bound for each kind of instance and each cause, as the code has it', () => {
    const client = parseClientMetadata({
      client_id: 'a',
      client_name: 'A',
      redirect_uris: ['https://a.example/'],
      audience: 'urn:a',
    })
    const tokens = `${(client.ok ? client.metadata.accessTokenSeconds : 0) / 60} minutes`
    const probe = `${SETTINGS.signals.probeEverySeconds.default} minutes`
    const lost = client.ok ? client.metadata.guardLeaseSeconds : 0
    const stated: Record<string, RegExp[]> = {
      'README.md': [
        new RegExp(`^\\| a guard \\|.*within its lease, ${lost} s, when`, 'm'),
        new RegExp(`^\\| none of these .*expires: ${tokens}`, 'm'),
        new RegExp(`from\\sthe\\sprobe\\swithin ${probe}`),
      ],
      'docs/relying-party.md': [
        new RegExp(`has lost the broker \\| within its lease of ${lost} s`),
        new RegExp(`^\\| none of these, .*up to ${tokens}`, 'm'),
      ],
      'SECURITY.md': [
        new RegExp(
          `guard that has lost the broker\\*\\* accepts tokens until its lease of ${lost} seconds`,
        ),
        new RegExp(`access token until it expires, ${tokens}`),
        new RegExp(`by the probe, within ${probe}`),
      ],
      'docs/microsoft.md': [
        new RegExp(
          `N is \`BROKER_PROBE_MINUTES\` \\(${SETTINGS.signals.probeEverySeconds.default}\\)`,
        ),
      ],
    }
    for (const [page, bounds] of Object.entries(stated))
      for (const bound of bounds) expect(text(page), page).toMatch(bound)
    const unbounded = pages.flatMap(
      (page) =>
        text(page).match(
          /\b(?:every|all) instances?\b[^.|:]*\b(?:within a second|at once)\b[^.|]*/g,
        ) ?? [],
    )
    expect(unbounded.filter((sentence) => !/guard|bound|logout address/.test(sentence))).toEqual([])
  })

  test('links to files that are there', () => {
    const missing = pages.flatMap((page) =>
      [...text(page).matchAll(/\]\(([^)#\s:]+)(?:#[^)]*)?\)/g)]
        .map(([, target]) => target ?? '')
        .filter(
          (target) => !existsSync(resolve(root, dirname(page), target)) && !target.endsWith('.png'),
        )
        .map((target) => `${page}: ${target}`),
    )
    expect(missing).toEqual([])
  })

  test('links to headings that are there', () => {
    const missing = pages.flatMap((page) =>
      [...text(page).matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)]
        .map(([, target = '', anchor = '']) => ({
          file: join(dirname(page), target === '' ? basename(page) : target),
          anchor,
        }))
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
    for (const {
      client_secret_hash: _hash,
      client_secret_file: _file,
      client_id: id,
      ...wire
    } of example().clients) {
      expect(parseClientMetadata(wire, { clientId: String(id) })).toMatchObject({ ok: true })
    }
  })
})

/** Every page of docs/, but the index itself. */
const reading = pages.filter((page) => /^docs\/[^/]+\.md$/.test(page) && page !== 'docs/README.md')

describe('docs/README.md', () => {
  test('lists every page by what the reader wants to do', () => {
    const index = text('docs/README.md')
    expect([...index.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading)).toEqual([
      'Try it',
      'Decide',
      'Connect Microsoft',
      'Integrate an instance',
      'Operate',
      'Reference',
      'Understand',
    ])
    expect(reading.filter((page) => !index.includes(`](${basename(page)}`))).toEqual([])
  })

  test('every page begins with who it is for, and what they have or know after it', () => {
    const opening = (page: string): string =>
      text(page)
        .split(/\n\s*\n/)[1]
        ?.replaceAll('\n', ' ') ?? ''
    expect(reading.filter((page) => !/^For [^.]+\. After this page /.test(opening(page)))).toEqual(
      [],
    )
  })

  test('the glossary has at most 40 terms, in alphabetical order, each once', () => {
    const terms = [...text('docs/glossary.md').matchAll(/^\| ([^|]+) \| [^|]+ \|$/gm)]
      .map(([, term = '']) => term)
      .slice(1)
    expect(terms.length).toBeLessThanOrEqual(40)
    const plain = terms.map((term) => term.replaceAll('`', '').toLowerCase())
    expect(plain).toEqual([...new Set(plain)].sort((a, b) => a.localeCompare(b)))
  })
})

describe('docs/decisions/README.md', () => {
  test('lists every record by its own title', () => {
    const rows = [
      ...text('docs/decisions/README.md').matchAll(/^\| \[\d{4}\]\((.+?)\) \| (.+) \|$/gm),
    ]
    const listed = rows.map(([, file = '', title = '']) => `${file}: ${title}`)
    const records = readdirSync(join(root, 'docs/decisions')).filter((name) => /^\d{4}-/.test(name))
    expect(listed).toEqual(
      records
        .sort()
        .map((name) => `${name}: ${/^# \d{4} (.*)$/m.exec(text(`docs/decisions/${name}`))?.[1]}`),
    )
  })
})

describe('docs/clients.schema.json', () => {
  test('is the schema of the clients file: run npm run docs:schemas', () => {
    expect(JSON.parse(text('docs/clients.schema.json'))).toEqual(
      JSON.parse(JSON.stringify(clientsFileJsonSchema())),
    )
  })

  test('takes the example and rejects a misspelled field', () => {
    const check = new Ajv2020({ strict: false, formats: { email: true } }).compile(
      clientsFileJsonSchema(),
    )
    expect([check(example()), check.errors]).toEqual([true, null])
    expect(check({ clients: [{ ...example().clients[0], colour: 'red' }] })).toBe(false)
  })
})

describe('docs/webhooks.md', () => {
  test('has each event with when it is sent, and each switch with what it adds', () => {
    const rows = [
      ...WEBHOOK_TYPES.map((type) => `| \`${type}\` | ${WEBHOOK_EVENTS[type].when} |`),
      ...WEBHOOK_SWITCHES.map(
        (webhookSwitch) =>
          `| \`${webhookSwitch}\` | ${SWITCHES[webhookSwitch].map((member) => `\`${member}\``).join(', ')} |`,
      ),
    ]
    const page = text('docs/webhooks.md')
    expect(rows.filter((row) => !page.includes(row))).toEqual([])
  })

  test('has an example that its schema takes; its schema is that of the code: run npm run docs:schemas', () => {
    const schema: unknown = JSON.parse(text('docs/webhooks.schema.json'))
    expect(schema).toEqual(JSON.parse(JSON.stringify(webhookJsonSchema())))
    const check = new Ajv2020({
      strict: false,
      formats: { 'date-time': true, uuid: true },
    }).compile(schema as object)
    const message = JSON.parse(
      /```json\n([^]*?)```/.exec(text('docs/webhooks.md'))?.[1] ?? '',
    ) as Record<string, unknown>
    expect([check(message), check.errors]).toEqual([true, null])
    expect(check({ ...message, type: 'webhook.unknown' })).toBe(false)
  })
})
