import { Ajv2020 } from 'ajv/dist/2020.js'
import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { readUsersFile } from '../../broker-dev/src/users-file.ts'
import { isSeq, readEntry } from '../../guard/src/selector.ts'
import { readRules } from '../../guard/src/serve/rules.ts'
import { readClientsFile } from '../../src/clients/read-clients-file.ts'
import { loadConfig } from '../../src/config/config.ts'
import { readSignalIssuers } from '../../src/config/signal-issuers.ts'
import { WEBHOOK_EVENTS } from '../../src/protocol/webhook-event.ts'
import { signedReceipt } from '../../src/operations/contract/shapes.ts'
import { reportSchema } from '../../src/revocation/feed-described.ts'
import { ROOT } from '../markdown.ts'

/**
 * The product's own readers of documented files and messages. Each returns the problems that it
 * finds.
 */

type Reader = (text: string, dir: string) => string[] | Promise<string[]>

const written = (dir: string, name: string, text: string): string => {
  writeFileSync(join(dir, name), text)
  return join(dir, name)
}
const problemOf = (read: () => unknown): string[] => {
  try {
    read()
    return []
  } catch (error) {
    return [String(error)]
  }
}

const clients: Reader = async (text, dir) => {
  const read = await readClientsFile(written(dir, 'clients.yaml', text), { allowLoopback: false })
  return read.ok ? [] : read.problems
}

/** Reads fields of one client, with the smallest registration that is accepted. */
const client: Reader = (text, dir) => {
  const fields = parse(text) as Record<string, unknown>
  const least =
    'ssf_email_domains' in fields
      ? { client_id: 'gateway', client_name: 'API gateway', scope: 'ssf.read', ...SERVICE }
      : {}
  return clients(
    stringify({
      clients: [
        { ...least, ...fields, client_secret_hash: '6IAAO68ZK8CzlMHa6ZnKyO6YisOPpmaLznrterrjLc0' },
      ],
    }),
    dir,
  )
}
const SERVICE = { grant_types: ['client_credentials'] }

const issuers: Reader = (text, dir) => {
  const problems: string[] = []
  const options = {
    issuer: 'https://login.case-manager.example',
    allowLoopback: false,
    add: (problem: string) => void problems.push(problem),
  }
  readSignalIssuers(written(dir, 'issuers.yaml', text), options)
  return problems
}

const rules: Reader = (text) => {
  const read = readRules(text)
  return read.ok ? [] : read.problems
}

const webhook: Reader = (text) => {
  const schema = JSON.parse(readFileSync(join(ROOT, 'docs/webhooks.schema.json'), 'utf8')) as object
  const check = new Ajv2020({ strict: false, formats: { 'date-time': true, uuid: true } }).compile(
    schema,
  )
  return check(JSON.parse(text))
    ? []
    : (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

const feed: Reader = (text) => {
  const { epoch, seq, entries } = JSON.parse(text) as {
    epoch: unknown
    seq: unknown
    entries: unknown[]
  }
  return typeof epoch === 'string' && isSeq(seq) && entries.every(readEntry)
    ? []
    : ['The guard does not read it.']
}

const entry: Reader = (text) =>
  readEntry(JSON.parse(text))?.selector.kind === 'session' ? [] : ['The guard does not read it.']

const aliases: Reader = (text) => {
  const { identifiers } = JSON.parse(text) as { identifiers: { format: string }[] }
  return identifiers.map(({ format }) => format).join() === 'iss_sub,email'
    ? []
    : ['The broker sends iss_sub and email.']
}

/** The readers, by members at the top of a document. */
const READERS: Record<string, [members: string[], reader: Reader][]> = {
  yaml: [
    [['clients'], clients],
    [['client_id'], client],
    [['ssf_email_domains'], client],
    [['issuers'], issuers],
    [['users'], (text, dir) => problemOf(() => readUsersFile(written(dir, 'users.yaml', text)))],
  ],
  json: [
    [['rules'], rules],
    [['type', 'timestamp', 'data'], webhook],
    [
      ['sub', 'sid', 'device'],
      (text) =>
        problemOf(() => WEBHOOK_EVENTS['session.new_device'].data.strict().parse(JSON.parse(text))),
    ],
    [['epoch', 'guard'], (text) => problemOf(() => reportSchema.parse(JSON.parse(text)))],
    [['epoch', 'entries'], feed],
    [['seq', 'participants'], (text) => problemOf(() => signedReceipt.parse(JSON.parse(text)))],
    [['seq', 'selector'], entry],
    [['format', 'identifiers'], aliases],
  ],
}

/** Returns the product's reader for such a document, or undefined if it has none. */
export function readerOf(language: string, text: string): Reader | undefined {
  const known = READERS[language]
  if (known === undefined) return undefined
  const document = (language === 'yaml' ? parse(text) : JSON.parse(text)) as object
  return known.find(([members]) => members.every((member) => member in document))?.[1]
}

/** Reads a script that holds only settings. */
export function readSettings(text: string): string[] {
  const given = Object.fromEntries(
    text
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
  const env = {
    BROKER_ISSUER: 'https://login.case-manager.example',
    BROKER_SECRET: randomBytes(32).toString('hex'),
    ...given,
  }
  return problemOf(() => {
    const { warnings } = loadConfig(env)
    if (warnings.length > 0) throw new Error(JSON.stringify(warnings))
  })
}
