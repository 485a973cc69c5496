import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { openSqliteStore } from '../../db/sqlite/store.ts'

/**
 * A broker's worth of writing, for `sqlite.test.ts` to kill or to starve of disk: signs users in, revokes every second session, and prints each
 * answer as it gets it. What it has printed was acknowledged.
 */
const [file = '', count = '0'] = process.argv.slice(2)
const store = await openSqliteStore({ file })
const now = 1_800_000_000
const say = (line: string) => writeSync(1, `${line}\n`)

async function user(n: number): Promise<void> {
  const sid = `s_${n}`
  await store.signIn({
    session: {
      user: { tid: 't', oid: `oid-${n}`, name: 'x'.repeat(200) },
      authTime: now,
      idleSeconds: 28_800,
      absoluteAt: now + 43_200,
      roles: [],
      staySignedIn: false,
      device: 'a browser',
      cookieHash: randomBytes(32).toString('base64url'),
    },
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_${n}`, sid },
    now,
  })
  say(`opened ${n}`)
  if (n % 2 === 0) return
  await store.revoke({ selector: { kind: 'session', sid }, reason: 'administrator', actor: { kind: 'operator', id: 'o' }, now })
  say(`ended ${n}`)
}

let next = 0
const line = async (): Promise<void> => {
  while (next < Number(count)) await user(next++)
}
try {
  await Promise.all(Array.from({ length: 8 }, line))
  say('done')
} catch (error) {
  say(`refused ${error instanceof Error ? error.name : 'unknown'}`)
}
await store.close()
