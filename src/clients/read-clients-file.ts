import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml'
import { clientIdSchema } from './metadata-fields.ts'
import { parseClientMetadata } from './metadata.ts'
import { type ClientMetadata, isOfWorkload } from '../protocol/client-metadata.ts'
import { sha256 } from '../runtime/compare.ts'

/**
 * Reads and validates the clients file. Any problem rejects the whole file; all problems are
 * reported, each with its line. The file is only read, not applied.
 */

export interface FileClient {
  clientId: string
  metadata: ClientMetadata
  /** SHA-256 of each secret, in base64url. */
  secretHashes: string[]
}

type ClientsFile = { fingerprint: string; secretFiles: string[] } & (
  | { ok: true; clients: FileClient[] }
  | { ok: false; problems: string[] }
)

/** The form of a SHA-256 in base64url: 32 bytes. */
const HASH = /^[A-Za-z0-9_-]{43}$/
/**
 * The shortest accepted secret. SHA-256 without a salt protects only random secrets, so short ones,
 * which a user could have chosen, are rejected.
 */
const LEAST_SECRET = 32

export async function readClientsFile(
  path: string,
  options: { allowLoopback: boolean },
): Promise<ClientsFile> {
  const read = await textOf(path)
  if ('code' in read)
    return {
      ok: false,
      problems: [`${path} cannot be read (${read.code}).`],
      fingerprint: fingerprint([read]),
      secretFiles: [],
    }
  const reading = new Reading(read.text, dirname(resolve(path)), options.allowLoopback)
  const clients = await reading.clients()
  const { problems, secrets } = reading
  // The fingerprint is of the content that was read: a change of the file in between must not count
  // as read.
  const seen = {
    fingerprint: fingerprint([read, ...secrets.map((secret) => secret.read)]),
    secretFiles: secrets.map((secret) => secret.file),
  }
  return problems.length > 0 ? { ok: false, problems, ...seen } : { ok: true, clients, ...seen }
}

/** Returns a hash that changes only when the file or a secret's file that it names changes. */
export async function fingerprintOf(path: string, secretFiles: readonly string[]): Promise<string> {
  return fingerprint(await Promise.all([path, ...secretFiles].map(textOf)))
}

type Read = { text: string } | { code: string }

const textOf = (file: string): Promise<Read> =>
  readFile(file, 'utf8').then(
    (text) => ({ text }),
    (error: NodeJS.ErrnoException) => ({ code: error.code ?? 'error' }),
  )

const fingerprint = (parts: readonly Read[]): string => sha256(JSON.stringify(parts))

class Reading {
  readonly problems: string[] = []
  readonly secrets: { file: string; read: Read }[] = []
  readonly #lines = new LineCounter()
  readonly #document: Document
  readonly #folder: string
  readonly #allowLoopback: boolean

  constructor(text: string, folder: string, allowLoopback: boolean) {
    this.#folder = folder
    this.#allowLoopback = allowLoopback
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false })
    for (const error of this.#document.errors) this.#add(error.pos[0], error.message)
  }

  async clients(): Promise<FileClient[]> {
    if (this.problems.length > 0) return []
    const top = this.#document.contents
    const list = isMap(top) ? top.get('clients', true) : undefined
    if (!isMap(top) || !isSeq(list)) {
      this.#add(
        0,
        'The file must hold "clients:" with a list below it (docs/clients.md has an example).',
      )
      return []
    }
    for (const { key } of top.items)
      if (String(key) !== 'clients')
        this.#add(
          offsetOf(key),
          `"${String(key)}" is not a key of this file, which holds "clients:" only. Remove it.`,
        )
    const found: FileClient[] = []
    for (const item of list.items) {
      const client = await this.#client(item)
      if (client === undefined) continue
      if (found.some((fileClient) => fileClient.clientId === client.clientId))
        this.#add(offsetOf(item), `${client.clientId} is in the file twice. Remove one.`)
      const { workload } = client.metadata
      const other = workload && found.find((each) => isOfWorkload(each, workload))
      if (other !== undefined && other.clientId !== client.clientId)
        this.#add(
          offsetOf(item),
          `${client.clientId} has the workload of ${other.clientId}. A workload is one client.`,
        )
      found.push(client)
    }
    return found
  }

  async #client(item: unknown): Promise<FileClient | undefined> {
    if (!isMap(item)) {
      this.#add(offsetOf(item), 'Each client must be a mapping that begins with client_id.')
      return undefined
    }
    const before = this.problems.length
    const {
      client_id: id,
      client_secret_hash: hashes,
      client_secret_file: files,
      ...wire
    } = item.toJS(this.#document) as Record<string, unknown>
    const at = (key: string): number =>
      offsetOf(item.items.find((pair) => isScalar(pair.key) && pair.key.value === key)?.key ?? item)
    const clientId = clientIdSchema.safeParse(id).data
    if (clientId === undefined)
      this.#add(
        at('client_id'),
        'client_id: letters, digits, dots, dashes and underscores, at most 100, e.g. "sydney"',
      )
    const parsed = parseClientMetadata(wire, {
      clientId: clientId ?? 'unnamed',
      allowLoopback: this.#allowLoopback,
    })
    if (!parsed.ok)
      for (const problem of parsed.problems)
        this.#add(at(/^[a-z_]+/.exec(problem)?.[0] ?? ''), `${clientId ?? 'client'}: ${problem}`)
    const secretHashes = [
      ...this.#hashes(hashes, at('client_secret_hash')),
      ...(await this.#files(files, at('client_secret_file'))),
    ]
    if (parsed.ok) this.#secretsFit(parsed.metadata, secretHashes.length, offsetOf(item), before)
    return parsed.ok && clientId !== undefined
      ? { clientId, metadata: parsed.metadata, secretHashes }
      : undefined
  }

  #hashes(value: unknown, at: number): string[] {
    const hashes = listOf(value)
    for (const hash of hashes) {
      if (!HASH.test(hash))
        this.#add(
          at,
          'client_secret_hash must be the SHA-256 of the secret in base64url, 43 characters: cmb clients new-secret makes a secret and its hash.',
        )
    }
    return hashes.filter((hash) => HASH.test(hash))
  }

  async #files(value: unknown, at: number): Promise<string[]> {
    const hashes: string[] = []
    for (const name of listOf(value)) {
      const file = resolve(this.#folder, name)
      const read = await textOf(file)
      this.secrets.push({ file, read })
      const secret = 'text' in read ? read.text.trim() : undefined
      if (secret === undefined)
        this.#add(
          at,
          `client_secret_file ${name} cannot be read (${'code' in read ? read.code : ''}).`,
        )
      else if (secret.length < LEAST_SECRET)
        this.#add(
          at,
          `client_secret_file ${name} holds fewer than ${LEAST_SECRET} characters: a secret must be random (cmb clients new-secret makes one).`,
        )
      else hashes.push(sha256(secret))
    }
    return hashes
  }

  #secretsFit(
    { authMethod }: ClientMetadata,
    count: number,
    at: number,
    problemsBefore: number,
  ): void {
    const needs = authMethod === 'client_secret_basic' || authMethod === 'client_secret_post'
    if (needs && count === 0 && this.problems.length === problemsBefore)
      this.#add(
        at,
        `${authMethod} needs client_secret_hash or client_secret_file (cmb clients new-secret makes one).`,
      )
    if (!needs && count > 0)
      this.#add(
        at,
        `${authMethod} uses no secret: remove client_secret_hash and client_secret_file.`,
      )
    if (count > 2) this.#add(at, 'A client may have at most two secrets: remove the oldest.')
  }

  #add(offset: number, words: string): void {
    this.problems.push(`line ${this.#lines.linePos(offset).line}: ${words}`)
  }
}

function offsetOf(node: unknown): number {
  return (node as { range?: [number, number, number] | null } | null)?.range?.[0] ?? 0
}

/**
 * Returns one value or a list as a list. A value that is not a string becomes JSON, so that the
 * problem it causes can show it.
 */
const listOf = (value: unknown): string[] =>
  [value ?? []]
    .flat()
    .map((element) => (typeof element === 'string' ? element : JSON.stringify(element)))
