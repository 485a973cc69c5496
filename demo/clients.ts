import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { readClientsFile } from '../src/clients/read-clients-file.ts'
import { followFile, textOf } from './follow-file.ts'

/**
 * The further clients of `--clients FILE`. They are checked before the broker gets them, because it
 * would reject the sample instances together with them.
 */

/**
 * Returns the entries of the file. Paths of secret files become absolute, because the broker gets a
 * file of all clients in another folder.
 * @throws Error with every problem and its line
 */
export async function readFurtherClients(
  file: string,
  taken: readonly string[],
): Promise<Record<string, unknown>[]> {
  const read = await readClientsFile(file, { allowLoopback: true })
  const problems = read.ok
    ? read.clients
        .filter(({ clientId }) => taken.includes(clientId))
        .map(
          ({ clientId }) =>
            `${clientId} is a sample instance of the demo: give yours another client_id.`,
        )
    : read.problems
  if (problems.length > 0)
    throw new Error(
      `--clients ${file} has problems:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    )
  const folder = dirname(resolve(file))
  return (parse(readFileSync(file, 'utf8')) as { clients: Record<string, unknown>[] }).clients.map(
    (entry) => {
      const { client_secret_file: named } = entry
      return named === undefined
        ? entry
        : {
            ...entry,
            client_secret_file: [named]
              .flat()
              .map((uri: unknown) => (typeof uri === 'string' ? resolve(folder, uri) : uri)),
          }
    },
  )
}

interface Following {
  apply(clients: Record<string, unknown>[]): void
  say(line: string): void
  pollMs?: number
}

/** Applies later edits of the file. */
export const followFurtherClients = (
  file: string,
  taken: readonly string[],
  { apply, say, pollMs = 500 }: Following,
): { close(): void } =>
  followFile(file, textOf(file), {
    apply: async () => {
      const clients = await readFurtherClients(file, taken)
      apply(clients)
      say(`Applied ${file}: ${clients.map((client) => String(client.client_id)).join(', ')}.`)
    },
    say,
    pollMs,
  })
