import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createLog } from '../../src/runtime/log.ts'
import { startQueueEngine, type QueueEngine } from '../../src/outbox/queue-engine.ts'
import { QUEUE_SERVER, QUEUE_SERVER_KIND } from '../needs.ts'

/**
 * Our own queue server, in each of its kinds: private, ends with its broker however that ends,
 * replaced when it dies.
 */

const NOWHERE = '/nonexistent'

function dataDir(name = 'cmb-engine-'): string {
  const dir = mkdtempSync(join(tmpdir(), name))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function start(dir: string, path?: string, lines: string[] = []): Promise<QueueEngine> {
  const engine = await startQueueEngine({
    dataDir: dir,
    url: undefined,
    log: createLog((line) => lines.push(line), Date.now),
    path,
  })
  onTestFinished(() => engine.close())
  return engine
}

const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

const pidIn = (file: string): number => Number.parseInt(readFileSync(file, 'utf8'), 10)
const gone = (pid: number) => vi.waitFor(() => expect(alive(pid)).toBe(false), { timeout: 60_000 })

describe.skipIf(QUEUE_SERVER === undefined)('our own Valkey or Redis', () => {
  test('listens on a unix socket in a directory of ours alone, keeps an append-only file, evicts nothing, and ends with close', async () => {
    const dir = dataDir()
    const engine = await start(dir)
    expect(engine).toMatchObject({ kind: QUEUE_SERVER_KIND, own: true })
    const { socket } = engine.address as { socket: string }
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700)
    const pid = pidIn(join(dir, 'queue', 'server.pid'))
    const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    expect(command).toContain('--port 0')
    expect(command).toContain('--appendonly yes')
    expect(command).toContain('--maxmemory-policy noeviction')
    await engine.close()
    expect(alive(pid)).toBe(false)
  })

  test('has a short socket address however long the name of the data directory is', async () => {
    const dir = join(dataDir(), 'a'.repeat(90))
    const { socket } = (await start(dir)).address as { socket: string }
    expect(Buffer.byteLength(socket)).toBeLessThan(107)
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700)
  })

  test('is started again when it dies', async () => {
    const dir = dataDir()
    const lines: string[] = []
    await start(dir, undefined, lines)
    const file = join(dir, 'queue', 'server.pid')
    const pid = pidIn(file)
    process.kill(pid, 'SIGKILL')
    await vi.waitFor(
      () => {
        expect(lines.join('\n')).toContain('queue_server_restarted')
        expect(pidIn(file)).not.toBe(pid)
      },
      { timeout: 60_000 },
    )
  })

  test('starts from nothing where what it kept is of no use', async () => {
    const dir = dataDir()
    const first = await start(dir)
    await first.close()
    const kept = join(dir, 'queue', 'appendonlydir')
    for (const file of readdirSync(kept))
      writeFileSync(join(kept, file), 'this is no append-only file\n')
    const lines: string[] = []
    await start(dir, undefined, lines)
    expect(lines.join('\n')).toContain('queue_server_starts_anew')
  })

  test('ends when its broker is killed with kill -9, and one that did not is replaced at the next start', async () => {
    const dir = dataDir()
    const script = `import { startQueueEngine } from ${JSON.stringify(new URL('../../src/outbox/queue-engine.ts', import.meta.url).href)}
      const log = { info() {}, warn() {}, error() {} }
      await startQueueEngine({ dataDir: ${JSON.stringify(dir)}, url: undefined, log })
      process.stdout.write('ready')
      setInterval(() => {}, 1000)`
    const broker = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    onTestFinished(() => void broker.kill('SIGKILL'))
    await once(broker.stdout, 'data')
    const pid = pidIn(join(dir, 'queue', 'server.pid'))
    broker.kill('SIGKILL')
    await gone(pid)

    // The server whose watching shell was killed too ends only at the next start.
    const engine = await start(dir)
    const second = pidIn(join(dir, 'queue', 'server.pid'))
    const shell = Number(readFileSync(`/proc/${second}/stat`, 'utf8').split(') ')[1]?.split(' ')[1])
    process.kill(shell, 'SIGKILL')
    await vi.waitFor(() => expect(pidIn(join(dir, 'queue', 'server.pid'))).not.toBe(second), {
      timeout: 60_000,
    })
    await gone(second)
    await engine.close()
  })
})

describe('our own Postgres, where there is neither Valkey nor Redis', () => {
  test('listens on a unix socket only, wants a password, gives the queue a role that is not a superuser, and ends with close', async () => {
    const engine = await start(dataDir(), NOWHERE)
    expect(engine).toMatchObject({ kind: 'postgres', own: true })
    const { postgres: address } = engine.address as Extract<
      QueueEngine['address'],
      { postgres: object }
    >
    expect(statSync(address.host).mode & 0o777).toBe(0o700)
    const client = new Client(address)
    await client.connect()
    const { rows } = await client.query(
      "SELECT current_setting('listen_addresses') AS tcp, rolsuper FROM pg_roles WHERE rolname = current_user",
    )
    await client.end()
    expect(rows).toEqual([{ tcp: '', rolsuper: false }])
    await expect(new Client({ ...address, password: 'guess' }).connect()).rejects.toThrow(
      /password authentication failed/,
    )
    const pid = pidIn(join(address.host, 'pg', 'postmaster.pid'))
    await engine.close()
    expect(alive(pid)).toBe(false)
    expect(existsSync(join(address.host, 'pg'))).toBe(false)
  })

  test('as root with a private TMPDIR: its files are where the user that it runs as can go', async ({
    skip,
  }) => {
    skip(process.getuid?.() !== 0, 'Only root runs the embedded Postgres as another user.')
    const dir = dataDir()
    vi.stubEnv('TMPDIR', dir)
    onTestFinished(() => void vi.unstubAllEnvs())
    expect(statSync(tmpdir()).mode & 0o777).toBe(0o700)
    const engine = await start(dir, NOWHERE)
    const { postgres: address } = engine.address as Extract<
      QueueEngine['address'],
      { postgres: object }
    >
    expect(statSync(address.host)).toMatchObject({
      uid: statSync(`/proc/${pidIn(join(address.host, 'pg', 'postmaster.pid'))}`).uid,
    })
    const client = new Client(address)
    await client.connect()
    await client.end()
    await engine.close()
    expect(existsSync(address.host)).toBe(false)
  })

  test('is started again when it dies, with the same address', async () => {
    const engine = await start(dataDir(), NOWHERE)
    const { postgres: address } = engine.address as Extract<
      QueueEngine['address'],
      { postgres: object }
    >
    let opened = 0
    await engine.onOpened(async () => void opened++)
    process.kill(pidIn(join(address.host, 'pg', 'postmaster.pid')), 'SIGKILL')
    await vi.waitFor(() => expect(opened).toBe(2), { timeout: 60_000 })
    const client = new Client(address)
    await client.connect()
    await client.end()
  })
})

test('BROKER_QUEUE_URL: that server is used, and nothing is started', async () => {
  const engine = await startQueueEngine({
    dataDir: dataDir(),
    url: 'rediss://user:pass@queue.example:6380/1',
    log: createLog(() => {}, Date.now),
  })
  expect(engine).toMatchObject({
    kind: 'redis',
    own: false,
    description: 'rediss://queue.example:6380 (BROKER_QUEUE_URL)',
  })
  await engine.close()
})
