import { randomBytes } from 'node:crypto'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { isMap, isScalar, isSeq, parseDocument, stringify, type Pair, type Scalar } from 'yaml'
import { followFile, textOf } from '../../demo/follow-file.ts'
import { readClientsFile } from '../../src/clients/read-clients-file.ts'
import { sha256 } from '../../src/runtime/compare.ts'
import type { DevClient } from './api.ts'

/**
 * The registered clients of broker-dev: the broker's own file format, with secrets in plain text.
 * The broker gets a copy of the file with their hashes.
 */

export interface DevClients {
  /** The path of the broker's copy, the value of `BROKER_CLIENTS_FILE`. */
  file: string
  /**
   * Returns every client in the order of the file, with its secret if that is known in plain text.
   */
  known(): {
    clientId: string
    secret: string | undefined
    redirectUris: readonly string[]
    authMethod: string
  }[]
  close(): void
}

const DEFAULT: readonly DevClient[] = [
  {
    client_id: 'dev',
    client_name: 'Development instance',
    redirect_uris: ['http://localhost:3000/callback'],
    post_logout_redirect_uris: ['http://localhost:3000/'],
    audience: 'http://localhost:3000',
  },
]

const OPTION = 'The option clients'
const POLL_MS = 300

/**
 * Reads the developer's clients, writes the broker's copy, and follows edits of the file.
 * @param dir the directory of the broker's copy
 * @param say receives the problems of a later edit; the previous clients stay registered
 * @throws Error with every problem, each with its line
 */
export async function openClients(
  wanted: string | readonly DevClient[] | undefined,
  dir: string,
  say: (text: string) => void,
): Promise<DevClients> {
  const clientsFile = join(dir, 'clients.yaml')
  const from = typeof wanted === 'string' ? resolve(wanted) : OPTION
  if (from !== OPTION && !existsSync(from)) throw new Error(`${from} is not there.`)
  const text = typeof wanted === 'string' ? textOf(from) : stringify({ clients: wanted ?? DEFAULT })
  const made = new Map<string, string>()
  let known = await apply(text, from, clientsFile, made)
  const edited = async (changed: string): Promise<void> => {
    known = await apply(changed, from, clientsFile, made)
  }
  const following =
    from === OPTION ? undefined : followFile(from, text, { apply: edited, say, pollMs: POLL_MS })
  return { file: clientsFile, known: () => known, close: () => following?.close() }
}

/**
 * Returns the client with defaults for what it lacks: its id as its name, and a generated secret,
 * which `made` keeps so that it stays the same after an edit.
 */
function completed(client: unknown, made: Map<string, string>): unknown {
  const {
    client_id: id,
    client_secret_hash: hash,
    client_secret_file: file,
    token_endpoint_auth_method: method,
  } = client as Partial<DevClient>
  if (typeof id !== 'string') return client
  const needs =
    (method === undefined || method === 'client_secret_basic' || method === 'client_secret_post') &&
    (hash ?? file) === undefined
  if (needs) made.set(id, made.get(id) ?? `cms_${randomBytes(32).toString('base64url')}`)
  return {
    client_name: id,
    ...(client as DevClient),
    ...(needs && { client_secret_hash: sha256(made.get(id) ?? '') }),
  }
}

/**
 * Returns the file with every client completed. A text without a list of clients is returned
 * unchanged, because the broker's reader reports what is wrong with it.
 */
function complete(text: string, made: Map<string, string>): string {
  const document = parseDocument(text)
  const content =
    document.errors.length > 0 ? undefined : (document.toJS() as { clients?: unknown } | null)
  if (
    !Array.isArray(content?.clients) ||
    !content.clients.every((client) => typeof client === 'object' && client !== null)
  )
    return text
  return stringify({
    ...content,
    clients: content.clients.map((client) => completed(client, made)),
  })
}

async function apply(
  text: string,
  from: string,
  file: string,
  made: Map<string, string>,
): Promise<ReturnType<DevClients['known']>> {
  const { ready, secrets } = withoutSecrets(text, dirname(from))
  // Writes under another name first, so that the broker never reads half a file or an invalid one.
  const read = async (content: string) => {
    writeFileSync(`${file}.new`, content, { mode: 0o600 })
    return readClientsFile(`${file}.new`, { allowLoopback: true })
  }
  const whole = await read(complete(ready, made))
  if (!whole.ok) {
    // Reports the problems by the lines of the developer's file, which differ from those of the
    // completed file.
    const asWritten = await read(ready)
    const known = new Set(whole.problems.map(withoutLine))
    const problems = (asWritten.ok ? whole : asWritten).problems.filter((problem) =>
      known.has(withoutLine(problem)),
    )
    throw new Error(
      `${from} has problems:\n${problems.map((problem) => `  ${from === OPTION ? withoutLine(problem) : problem}`).join('\n')}`,
    )
  }
  renameSync(`${file}.new`, file)
  return whole.clients.map(({ clientId, metadata: { redirectUris, authMethod } }) => ({
    clientId,
    secret: secrets.get(clientId) ?? made.get(clientId),
    redirectUris,
    authMethod,
  }))
}

const withoutLine = (problem: string): string => problem.replace(/^line \d+: /, '')

interface Edit {
  at: readonly [number, number]
  to: string
}

/**
 * Replaces each secret by its hash and each path of a secret file by its absolute path. Edits stay
 * within their lines, so that problems keep their line numbers.
 */
function withoutSecrets(
  text: string,
  folder: string,
): { ready: string; secrets: Map<string, string> } {
  const secrets = new Map<string, string>()
  const edits: Edit[] = []
  const { contents } = parseDocument(text)
  const list = isMap(contents) ? contents.get('clients', true) : undefined
  for (const item of isSeq(list) ? list.items : []) {
    if (!isMap(item)) continue
    for (const pair of item.items) {
      const secret = editsOf(pair, folder, edits)
      if (secret !== undefined) secrets.set(String(item.get('client_id')), secret)
    }
  }
  let ready = text
  for (const { at, to } of edits.toSorted((a, b) => b.at[0] - a.at[0]))
    ready = ready.slice(0, at[0]) + to + ready.slice(at[1])
  return { ready, secrets }
}

/**
 * Adds the edits that this pair of the YAML map needs.
 * @returns the client's secret if this pair has one
 */
function editsOf({ key, value }: Pair, folder: string, edits: Edit[]): string | undefined {
  if (!isScalar(key)) return undefined
  if (key.value === 'client_secret' && isText(value)) {
    edits.push(edit(key, 'client_secret_hash'), edit(value, JSON.stringify(sha256(value.value))))
    return value.value
  }
  if (key.value !== 'client_secret_file') return undefined
  const files = (isSeq(value) ? value.items : [value]).filter(isText)
  for (const file of files) edits.push(edit(file, JSON.stringify(resolve(folder, file.value))))
  const [newest] = files
  return newest === undefined
    ? undefined
    : textOf(resolve(folder, newest.value)).trim() || undefined
}

const isText = (node: unknown): node is Scalar<string> =>
  isScalar(node) && typeof node.value === 'string'
const edit = ({ range }: Scalar, to: string): Edit => ({
  at: [range?.[0] ?? 0, range?.[1] ?? 0],
  to,
})
