import { mkdir, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { OwnServer } from './engine-process.ts'

/** Our own Valkey or Redis: a unix socket in a directory of ours alone, no TCP, append-only file, nothing evicted. */
export function redisServer(input: { name: string; command: string; dir: string; socketDir: string }): OwnServer & { socket: string } {
  const socket = join(input.socketDir, 'queue.sock')
  const pidFile = join(input.dir, 'server.pid')
  const args = {
    port: '0',
    unixsocket: socket,
    unixsocketperm: '700',
    dir: input.dir,
    pidfile: pidFile,
    appendonly: 'yes',
    appendfsync: 'everysec',
    save: '',
    'maxmemory-policy': 'noeviction',
    daemonize: 'no',
    'set-proc-title': 'no',
    loglevel: 'warning',
  }
  return {
    name: input.name,
    command: input.command,
    args: Object.entries(args).flatMap(([name, value]) => [`--${name}`, value]),
    stopSignal: 'TERM',
    pidFile,
    mark: socket,
    socket,
    prepare: () => mkdir(input.dir, { recursive: true, mode: 0o700 }).then(() => rm(socket, { force: true })),
    ready: () => ping(socket),
    opened: async () => {},
    startAnew: () => rm(join(input.dir, 'appendonlydir'), { recursive: true, force: true }),
  }
}

/** Whether it answers, and has loaded what it kept. */
function ping(path: string): Promise<boolean> {
  return new Promise((done) => {
    const client = connect(path, () => client.write('PING\r\n'))
    const answer = (good: boolean): void => {
      client.destroy()
      done(good)
    }
    client.setTimeout(1_000, () => answer(false))
    client
      .once('data', (data) => answer(data.toString().startsWith('+PONG')))
      .once('error', () => answer(false))
      .once('close', () => done(false))
  })
}
