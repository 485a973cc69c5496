import { Client } from 'pg'
import type { Cluster } from '../cluster/cluster.ts'

/**
 * Returns the database's data about the session that a violation names, read before the cluster is
 * gone.
 */
export async function evidenceOf(
  violation: Error,
  { databaseUrl, brokers, workers }: Cluster,
): Promise<string> {
  const sid = /s_[\w-]{10,}/.exec(violation.message)?.[0]
  if (sid === undefined) return 'The violation names no session.'
  const client = new Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const rows = async (text: string): Promise<string[]> =>
      (await client.query<Record<string, unknown>>(text, [sid])).rows.map((row) =>
        JSON.stringify(row),
      )
    return [
      ...(await rows('SELECT * FROM broker.sessions WHERE sid = $1')),
      ...(await rows('SELECT * FROM broker.participants WHERE sid = $1')),
      ...(await rows(
        `SELECT r.* FROM broker.revocations r JOIN broker.sessions s ON s.sid = $1 AND (r.sid = s.sid OR r.sub = s.sub) ORDER BY r.seq`,
      )),
      ...(await rows(
        `SELECT d.* FROM broker.deliveries d JOIN broker.sessions s ON s.sid = $1 AND (d.sid = s.sid OR d.sub = s.sub) ORDER BY d.seq`,
      )),
      ...[...brokers, ...workers].flatMap(({ output, ops }) => [
        ops,
        ...output.split('\n').filter((line) => line.includes(sid)),
      ]),
    ].join('\n')
  } finally {
    await client.end()
  }
}
