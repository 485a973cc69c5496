import { watch, type FSWatcher } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { record } from '../audit/record.ts'
import type { Deps } from './deps.ts'
import { changes } from '../protocol/changes.ts'
import type { Client, SecretHash } from '../protocol/client-metadata.ts'
import { registrationToWire } from './metadata.ts'
import { fingerprintOf, readClientsFile, type FileClient } from './read-clients-file.ts'

/**
 * Keeps the registrations of the clients file in the store. A file with a problem changes nothing:
 * the last valid one still applies. A client that is no longer in the file stays registered, with a
 * warning, because a mistake in an editor must not sign a whole instance out: removal is explicit.
 */

const POLL_MS = 5_000
const SETTLE_MS = 50

export async function watchClientsFile(
  deps: Deps,
  path: string,
  options: { pollMs?: number } = {},
): Promise<{ close(): Promise<void> }> {
  const file = resolve(path)
  let applied: Applied | undefined
  let running: Promise<void> = Promise.resolve()
  const look = async (): Promise<void> => {
    try {
      if (
        applied !== undefined &&
        applied.foreign.every((id) => isForeign(deps.clients.find(id))) &&
        (await isSame(file, applied))
      )
        return
      applied = await apply(deps, file)
    } catch (error) {
      // The store may be busy or full. The next poll retries.
      deps.log.error('clients_file_not_applied', { file, cause: error })
    }
  }
  const queue = (): Promise<void> => (running = running.then(look))
  await queue()
  const timer = setInterval(() => void queue(), options.pollMs ?? POLL_MS)
  timer.unref()
  const watcher = watching(dirname(file), () => void queue())
  return {
    async close() {
      clearInterval(timer)
      watcher?.close()
      await running
    },
  }
}

interface Applied {
  fingerprint: string
  secretFiles: string[]
  /**
   * Ids of the file that are registered by another source. The file registers them once they are
   * removed there.
   */
  foreign: string[]
}

const isSame = async (file: string, { fingerprint, secretFiles }: Applied): Promise<boolean> =>
  (await fingerprintOf(file, secretFiles)) === fingerprint

/**
 * Watches the folder, because editors and config maps replace the file. Returns undefined if the
 * folder cannot be watched (network disks, limits); then only polling finds changes.
 */
function watching(folder: string, changed: () => void): FSWatcher | undefined {
  let settling: NodeJS.Timeout | undefined
  try {
    const watcher = watch(folder, () => {
      clearTimeout(settling)
      settling = setTimeout(changed, SETTLE_MS)
      settling.unref()
    })
    watcher.on('error', () => watcher.close())
    watcher.unref()
    return watcher
  } catch {
    return undefined
  }
}

async function apply(deps: Deps, file: string): Promise<Applied> {
  const read = await readClientsFile(file, { allowLoopback: deps.config.allowLoopbackTargets })
  if (!read.ok) {
    deps.log.warn('clients_file_rejected', {
      file,
      problems: read.problems,
      inForce: 'the last valid one',
    })
    return { ...read, foreign: [] }
  }
  const changed: string[] = []
  const foreign: string[] = []
  for (const client of read.clients) {
    const outcome = await put(deps, client)
    if (outcome === 'changed') changed.push(client.clientId)
    else if (outcome === 'foreign') foreign.push(client.clientId)
  }
  await deps.clients.reload()
  const named = new Set(read.clients.map((client) => client.clientId))
  const absent = (await deps.store.listClients())
    .filter((client) => client.source === 'file' && !named.has(client.clientId))
    .map((client) => client.clientId)
  if (absent.length > 0)
    deps.log.warn('clients_file_lacks', {
      file,
      clients: absent,
      meaning: 'They stay registered. To remove one: cmb clients remove <client> --source file',
    })
  deps.log.info('clients_file_applied', { file, clients: read.clients.length, changed })
  return { ...read, foreign }
}

/**
 * Registers or changes one client of the file.
 * @returns `foreign` if another source registered the client, which then stays unchanged
 */
async function put(deps: Deps, wanted: FileClient): Promise<'changed' | 'unchanged' | 'foreign'> {
  const now = deps.clock.now()
  const before = await deps.store.findClient(wanted.clientId)
  const secrets = wanted.secretHashes.map((hash) => secretOf(hash, before, now))
  if (before !== undefined && isAsWanted(before, wanted, secrets)) return 'unchanged'
  const act = (): ReturnType<Deps['store']['putClient']> =>
    deps.store.putClient({
      clientId: wanted.clientId,
      source: 'file',
      metadata: wanted.metadata,
      secrets,
      now,
    })
  const answer = isForeign(before)
    ? await act()
    : await recordLoad(deps, wanted, before, secrets, act)
  if (answer.outcome !== 'foreign') return answer.outcome === 'unchanged' ? 'unchanged' : 'changed'
  deps.log.warn('clients_file_foreign', {
    client_id: wanted.clientId,
    source: answer.source,
    meaning: `It was registered in another way and stays unchanged. To manage it in the file, remove it there first: cmb clients remove ${wanted.clientId} --source ${answer.source}`,
  })
  return 'foreign'
}

const isRegistered = (client: Client | undefined): client is Client =>
  client !== undefined && client.removedAt === undefined
const isForeign = (before: Client | undefined): boolean =>
  isRegistered(before) && before.source !== 'file'

/** Returns the value as the store returns it: without undefined members. */
const asKept = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const isAsWanted = (before: Client, wanted: FileClient, secrets: SecretHash[]): boolean =>
  isRegistered(before) &&
  before.source === 'file' &&
  isDeepStrictEqual(asKept(wanted.metadata), asKept(before.metadata)) &&
  isDeepStrictEqual(asKept(secrets), asKept(before.secrets))

/**
 * Runs the act and records it in the audit log. The actor is the broker and the interface is the
 * file, because the broker does not know who wrote the file. Secrets are recorded by their ids.
 */
function recordLoad(
  deps: Deps,
  wanted: FileClient,
  before: Client | undefined,
  secrets: SecretHash[],
  act: () => ReturnType<Deps['store']['putClient']>,
): ReturnType<Deps['store']['putClient']> {
  const after = { ...registrationToWire(wanted), secrets: secrets.map(({ id }) => id) }
  const entry = {
    act: isRegistered(before) ? 'client.change' : 'client.add',
    target: `client ${wanted.clientId}`,
    details: isRegistered(before)
      ? {
          changed: changes(
            { ...registrationToWire(before), secrets: before.secrets.map(({ id }) => id) },
            after,
          ),
        }
      : { registration: after },
  } as const
  const file = { actor: { kind: 'broker', id: 'clients-file' }, via: 'file' } as const
  return record(deps, file, entry, act, ({ outcome }) => ({ outcome }))
}

/**
 * Returns the secret's stored entry, or a new one. A known hash keeps its id and its age when the
 * file is read again.
 */
function secretOf(hash: string, before: Client | undefined, now: number): SecretHash {
  return (
    before?.secrets.find((secret) => secret.hash === hash) ?? {
      id: `f_${hash.slice(0, 12)}`,
      hash,
      createdAt: now,
    }
  )
}
