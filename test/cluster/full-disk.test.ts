import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmdirSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { StoreUnavailable } from '../../db/types.ts'
import { requestRevocation } from '../../src/revocation/revoke.ts'
import { BIN, createMigrated, sql, startPostgres } from '../postgres.ts'
import { createRig } from '../rig.ts'

/**
 * A Postgres whose disk is really full: a file system of its own, which only root may mount. The
 * npm package needs more room than that.
 */

const MEGABYTES = 160

function mounted(): { dir: string; unmount(): void } | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'full-disk-'))
  const done =
    process.getuid?.() === 0
      ? spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${MEGABYTES}m`, 'tmpfs', dir])
      : undefined
  if (done?.status === 0)
    return { dir, unmount: () => (spawnSync('umount', ['-l', dir]), rmdirSync(dir)) }
  rmdirSync(dir)
  return undefined
}

function canMount(): boolean {
  const disk = mounted()
  disk?.unmount()
  return disk !== undefined
}

/** Fills the disk to its last page. */
function fill(file: string): void {
  const to = openSync(file, 'w')
  for (const bytes of [1 << 20, 1 << 12])
    try {
      for (const chunk = Buffer.alloc(bytes); ;) writeSync(to, chunk)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  closeSync(to)
}

const OLIVIA = { kind: 'operator', id: 'olivia' } as const
const WAIT = { timeout: 60_000 }

test.skipIf(BIN === undefined || !canMount())(
  'on a disk that is full, revocations are answered with 503 or are there afterwards, also where Postgres itself ends by it',
  async () => {
    const disk = mounted()
    if (disk === undefined) return expect.unreachable()
    onTestFinished(() => disk.unmount())
    vi.stubEnv('TMPDIR', disk.dir)
    const server = await startPostgres({
      max_wal_size: '32MB',
      min_wal_size: '32MB',
      shared_buffers: '16MB',
    })
    vi.unstubAllEnvs()
    onTestFinished(() => server.stop())
    const rig = await createRig({
      realTime: true,
      config: { databaseUrl: await createMigrated(server) },
    })
    const sids: string[] = []
    while (sids.length < 60) sids.push((await rig.openSession()).session.sid)
    const revokeSession = (sid: string) =>
      requestRevocation(rig.deps, {
        selector: { kind: 'session', sid },
        reason: 'administrator',
        actor: OLIVIA,
        now: rig.clock.now(),
      })
    const acknowledged: string[] = []
    const revokeAll = async (some: readonly string[]): Promise<void> => {
      for (const sid of some) {
        await revokeSession(sid)
        acknowledged.push(sid)
      }
    }
    const others = () => sids.filter((sid) => !acknowledged.includes(sid))
    const ballast = join(disk.dir, 'ballast')
    const stateOf = async (sid: string) => (await rig.store.statusBySid(sid, rig.clock.now())).state
    /** Checks that everything acknowledged is stored, and that no other act is half done. */
    const nothingIsLost = async (): Promise<void> => {
      await expect.poll(() => stateOf(sids[0] ?? '').catch(() => 'unavailable'), WAIT).toBe('ended')
      const logged = new Set(
        (await rig.store.listRevocations({ limit: 1000 })).flatMap(({ selector }) =>
          selector.kind === 'session' ? selector.sid : [],
        ),
      )
      expect(acknowledged.filter((sid) => !logged.has(sid))).toEqual([])
      for (const sid of sids)
        expect([sid, await stateOf(sid)]).toEqual([sid, logged.has(sid) ? 'ended' : 'live'])
      expect((await rig.store.head()).seq).toBe(logged.size)
    }

    await revokeAll(sids.slice(0, 5))
    fill(ballast)
    await expect(revokeAll(others())).rejects.toBeInstanceOf(StoreUnavailable)
    rmSync(ballast)
    await nothingIsLost()
    const [next = ''] = others()
    await expect
      .poll(() => revokeSession(next).catch(() => 'unavailable'), WAIT)
      .not.toBe('unavailable')
    acknowledged.push(next)

    // Postgres ends if there is no room for the next file of its log.
    fill(ballast)
    await sql(server.url('postgres'), 'SELECT pg_switch_wal()').catch(() => undefined)
    await expect(revokeAll(others())).rejects.toBeInstanceOf(StoreUnavailable)
    const asked = () =>
      sql(server.url('postgres'), 'SELECT 1').then(
        () => 'answers',
        () => 'ended',
      )
    await expect.poll(asked, WAIT).toBe('ended')
    rmSync(ballast)
    await server.start()
    await nothingIsLost()
  },
)
