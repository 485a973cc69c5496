import { randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import {
  startCheckpointThread,
  type CheckpointThread,
  type ThreadData,
} from '../../db/sqlite/checkpoints.ts'
import { openSqliteStore } from '../../db/sqlite/store.ts'

/**
 * A broker's share of writes, for tests to kill or to run out of disk: it signs users in, revokes
 * every second session, and writes each answer to its descriptor 3 when it gets it. Everything
 * written there was acknowledged. With `dies_moving` it kills itself while its thread moves the
 * write-ahead log.
 */
const [file = '', count = '0', dies] = process.argv.slice(2)
const store = await openSqliteStore({
  file,
  checkpoints: dies === 'dies_moving' ? { start: startDying } : undefined,
})
const now = 1_800_000_000
const device = dies === undefined ? 'a browser' : 'x'.repeat(8_000)
/**
 * Writes a line, and waits for a slow reader. Standard output no longer does once a thread has
 * started, because Node pipes the thread's output into it.
 */
function say(line: string): void {
  writeSync(3, `${line}\n`)
}

/** Kills the process once a move has run for a millisecond. */
function startDying(data: ThreadData): CheckpointThread {
  const thread = startCheckpointThread(data)
  const { postMessage } = thread
  thread.postMessage = (request: unknown) => {
    const killing = setTimeout(
      () => (say('killed while the thread moves the log'), process.kill(process.pid, 'SIGKILL')),
      1,
    )
    thread.once('message', () => clearTimeout(killing))
    postMessage.call(thread, request)
  }
  return thread
}

async function user(n: number): Promise<void> {
  const sid = `s_${n}`
  await store.signIn({
    session: {
      user: { tid: 't', oid: `oid-${n}`, name: 'x'.repeat(200) },
      authTime: now,
      visitStartedAt: now,
      idleSeconds: 28_800,
      absoluteAt: now + 43_200,
      roles: [],
      staySignedIn: false,
      device,
      cookieHash: randomBytes(32).toString('base64url'),
    },
    provenSeq: Number.MAX_SAFE_INTEGER,
    ids: { sub: `u_${n}`, sid },
    now,
  })
  say(`opened ${n}`)
  if (n % 2 === 0) return
  await store.revoke({
    selector: { kind: 'session', sid },
    reason: 'administrator',
    actor: { kind: 'operator', id: 'o' },
    now,
  })
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
  say(`rejected ${error instanceof Error ? error.name : 'unknown'}`)
}
await store.close()
