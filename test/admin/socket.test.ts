import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { serveAdminSocket } from '../../src/operations/api/socket.ts'
import { findSocket, socketPath } from '../../src/operations/acts/socket-path.ts'
import { cmb } from '../command/cmb.ts'
import { brokerIn } from '../process/chaos/users.ts'
import { createRig } from '../rig.ts'

describe('the admin socket', () => {
  test('only its own user may open it; nothing else is left in the data directory, and it goes with the broker', async () => {
    const rig = await createRig()
    const socket = await serveAdminSocket(rig.deps)
    expect(statSync(socket.path).mode & 0o777).toBe(0o600)
    expect((await cmb(['status'], { dataDir: rig.dir })).code).toBe(0)
    await socket.close()
    expect(existsSync(socket.path)).toBe(false)
    expect((await cmb(['status'], { dataDir: rig.dir })).code).toBe(3)
  })

  test('a command keeps no connection for its next question: a broker that has restarted meanwhile would not answer on it', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-'))
    const connections: (string | undefined)[] = []
    const server = createHttpServer((request, response) => {
      connections.push(request.headers.connection)
      response.end('{}')
    })
    await new Promise<void>((done) => server.listen(socketPath(dir), done))
    onTestFinished(() => {
      server.close()
      rmSync(dir, { recursive: true, force: true })
    })
    const broker = await brokerIn(dir)
    await broker.get('/status')
    await broker.get('/status')
    expect(connections).toEqual(['close', 'close'])
  })

  test('a socket that a killed broker left is replaced', async () => {
    const rig = await createRig()
    writeFileSync(socketPath(rig.dir), '')
    const socket = await serveAdminSocket(rig.deps)
    onTestFinished(() => socket.close())
    expect((await cmb(['status'], { dataDir: rig.dir })).code).toBe(0)
  })

  test('a socket that answers is not replaced', async () => {
    const rig = await createRig()
    const other = createServer()
    await new Promise<void>((done) => other.listen(socketPath(rig.dir), done))
    onTestFinished(() => new Promise((done) => other.close(() => done())))
    await expect(serveAdminSocket(rig.deps)).rejects.toThrow(/Another broker answers/)
  })

  test('a broker that closes leaves the socket of its successor', async () => {
    const rig = await createRig()
    const first = await serveAdminSocket(rig.deps)
    const { renameSync } = await import('node:fs')
    renameSync(first.path, `${first.path}.away`)
    const second = await serveAdminSocket(rig.deps)
    onTestFinished(() => second.close())
    await first.close()
    expect((await cmb(['status'], { dataDir: rig.dir })).code).toBe(0)
  })

  test('where the path would be too long for a socket, a file in the data directory says where it is instead', async () => {
    const rig = await createRig()
    const dataDir = join(rig.dir, 'a-folder-with-a-long-name-'.repeat(5))
    mkdirSync(dataDir)
    const socket = await serveAdminSocket({ ...rig.deps, config: { ...rig.config, dataDir } })
    expect(socket.path.length).toBeLessThan(104)
    expect(await findSocket(dataDir)).toBe(socket.path)
    expect(statSync(dirname(socket.path)).mode & 0o777).toBe(0o700)
    expect((await cmb(['status'], { dataDir })).code).toBe(0)
    await socket.close()
    expect(existsSync(dirname(socket.path))).toBe(false)
    expect((await cmb(['status'], { dataDir })).code).toBe(3)
  })
})
