import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'
import { readClientsFile } from '../src/client/read-clients-file.ts'

/** The further clients of `--clients FILE`: looked at before anything starts, because the broker would refuse the sample instances with them. */

/** @returns its entries as they stand there, secrets' files named absolutely: the broker is given a file of all clients elsewhere. @throws Error with every problem and its line */
export async function readFurtherClients(file: string, taken: readonly string[]): Promise<Record<string, unknown>[]> {
  const read = await readClientsFile(file, { allowLoopback: true })
  const problems = read.ok
    ? read.clients
        .filter(({ clientId }) => taken.includes(clientId))
        .map(({ clientId }) => `${clientId} is a sample instance of the demo: give yours another client_id.`)
    : read.problems
  if (problems.length > 0) throw new Error(`--clients: nothing was started, because of ${file}\n${problems.map((one) => `  ${one}`).join('\n')}`)
  const folder = dirname(resolve(file))
  return (parse(readFileSync(file, 'utf8')) as { clients: Record<string, unknown>[] }).clients.map((entry) => {
    const { client_secret_file: named } = entry
    return named === undefined
      ? entry
      : { ...entry, client_secret_file: [named].flat().map((one: unknown) => (typeof one === 'string' ? resolve(folder, one) : one)) }
  })
}
