import { connect, type Socket } from 'node:net'
import { preciseMs, round } from '../machine/machine.ts'
import { basic, waitFor, type Stage } from '../servers/stage.ts'

/**
 * A thousand guards on one broker: the memory of a stream, and the time until the last one has an
 * event.
 */

export interface Streams {
  streams: number
  kilobytesEach: number
  /** The time from the commit of a revocation until the last stream had it. */
  lastDeliveredMs: number
}

/** The number of guards of one client, which is limited. */
const OF_ONE = 10

export async function manyStreams(stage: Stage, streams: number): Promise<Streams> {
  const clients = Array.from({ length: Math.ceil(streams / OF_ONE) }, (_, n) => `s${n}`)
  await stage.register(clients.map((clientId) => ({ clientId, alg: 'ES256' })))
  const before = await stage.ask('state', {})
  const sockets: Socket[] = []
  let delivered = 0
  let wanted = 'no such session'
  for (let n = 0; n < streams; n++) {
    const clientId = clients[Math.floor(n / OF_ONE)] ?? ''
    const guard = { authorization: basic(clientId, stage.secret(clientId)), guard: `g${n}` }
    sockets.push(
      await follow(stage.url, guard, (text) => void (text.includes(wanted) && delivered++)),
    )
  }
  await waitFor(
    'every stream to be open',
    async () => (await stage.ask('state', {})).streams >= before.streams + streams,
  )
  const { rssMb } = await stage.ask('state', {})
  const times: number[] = []
  for (let round = 0; round < 20; round++) {
    const { sessions } = await stage.ask('sessions', {
      count: 1,
      clients: [],
      tid: '77777777-7777-4777-8777-777777777777',
      codes: false,
    })
    const sid = sessions[0]?.sid ?? ''
    delivered = 0
    wanted = sid
    const { atMs } = await stage.ask('revoke', { selector: { kind: 'session', sid } })
    await waitFor('the event on every stream', () => delivered >= streams)
    times.push(preciseMs() - atMs)
  }
  for (const socket of sockets) socket.destroy()
  await waitFor(
    'every stream to be closed',
    async () => (await stage.ask('state', {})).streams <= before.streams,
  )
  return {
    streams,
    kilobytesEach: round(((rssMb - before.rssMb) * 1024) / streams),
    lastDeliveredMs: round(times.toSorted((a, b) => a - b)[10] ?? Number.NaN),
  }
}

/** Opens a guard's stream. Resolves once it is live. */
export function follow(
  url: string,
  { authorization, guard }: { authorization: string; guard: string },
  hear: (text: string) => void = () => {},
): Promise<Socket> {
  const { port, host } = new URL(url)
  return new Promise((live, failed) => {
    const socket = connect(Number(port), '127.0.0.1', () =>
      socket.write(
        `GET /revocations?guard=${guard} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nAccept: text/event-stream\r\n\r\n`,
      ),
    )
    let latest = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      latest = (latest + text).slice(-2_000)
      if (latest.includes('event: live')) live(socket)
      hear(text)
    })
    socket
      .once('error', failed)
      .once('close', () => failed(new Error('The broker closed a stream before it was live.')))
  })
}
