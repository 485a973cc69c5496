import {
  connect,
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net'

/** A TCP line that a run disturbs: between a guard and the broker, or a broker and Postgres. */

export type LineFault =
  /** Connections break, and new ones are rejected. */
  | { kind: 'cut' }
  /** The line drops bytes in one direction or in both. Connections stay open. */
  | { kind: 'swallowed' | 'lost to the guard' | 'lost to the broker' }
  /** Bytes arrive later, in their order. */
  | { kind: 'delayed'; ms: number }
  /** Bytes arrive when the fault ends, all at once. */
  | { kind: 'held'; untilMs: number }
  | { kind: 'throttled'; bytesPerSecond: number }

/** The side to which a way leads: the one that listens, or the one that connected. */
type Side = 'broker' | 'guard'

const PIECE_BYTES = 50

export class BenchLine {
  readonly #to: () => NetConnectOpts
  /** A buffering proxy passes answers on only at multiples of this time. */
  readonly #bufferMs: number
  readonly #sockets = new Set<Socket>()
  readonly #server: Server = createServer((socket) => this.#pass(socket))
  #fault: LineFault | undefined

  private constructor(to: () => NetConnectOpts, bufferMs: number) {
    this.#to = to
    this.#bufferMs = bufferMs
  }

  static async open(to: () => NetConnectOpts, bufferMs = 0): Promise<BenchLine> {
    const line = new BenchLine(to, bufferMs)
    await new Promise<void>((ready) => line.#server.listen(0, '127.0.0.1', ready))
    return line
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  disturb(fault: LineFault): void {
    this.#fault = fault
    if (fault.kind === 'cut') this.#breakAll()
  }
  /** Ends the fault. Connections that lost bytes break. */
  repair(): void {
    const kind = this.#fault?.kind
    this.#fault = undefined
    if (kind === 'swallowed' || kind?.startsWith('lost')) this.#breakAll()
  }
  async close(): Promise<void> {
    this.#breakAll()
    await new Promise((done) => this.#server.close(done))
  }

  #breakAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  #pass(guard: Socket): void {
    if (this.#fault?.kind === 'cut') return void guard.on('error', () => {}).destroy()
    const broker = connect(this.#to())
    for (const socket of [guard, broker]) {
      this.#sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => {}).once('close', () => this.#sockets.delete(socket))
    }
    this.#carry(guard, broker, 'broker')
    this.#carry(broker, guard, 'guard')
  }

  /** Carries bytes, and at last the end of the connection, in order. */
  #carry(from: Socket, to: Socket, side: Side): void {
    const queue: { dueMs: number; bytes: Buffer | undefined }[] = []
    let lastMs = 0
    let timer: NodeJS.Timeout | undefined
    const flush = (): void => {
      timer = undefined
      while (queue[0] !== undefined && queue[0].dueMs <= performance.now()) {
        const { bytes } = queue.shift() as (typeof queue)[number]
        if (bytes === undefined) to.destroy()
        else if (!to.destroyed) to.write(bytes)
      }
      if (queue[0] !== undefined)
        timer = setTimeout(flush, Math.max(0, queue[0].dueMs - performance.now()))
    }
    const send = (bytes: Buffer | undefined): void => {
      const fault = this.#fault
      if (fault?.kind === 'swallowed' || fault?.kind === `lost to the ${side}`) return
      lastMs = Math.max(lastMs, this.#dueMs(side, lastMs, bytes?.length ?? 0))
      queue.push({ dueMs: lastMs, bytes })
      if (timer === undefined) flush()
    }
    from.on('data', (bytes: Buffer) => {
      if (this.#fault?.kind !== 'throttled') return send(bytes)
      for (let at = 0; at < bytes.length; at += PIECE_BYTES)
        send(bytes.subarray(at, at + PIECE_BYTES))
    })
    from.once('close', () => send(undefined))
    to.once('close', () => clearTimeout(timer))
  }

  #dueMs(side: Side, lastMs: number, bytes: number): number {
    const nowMs = performance.now()
    const fault = this.#fault
    if (fault?.kind === 'delayed') return nowMs + fault.ms
    if (fault?.kind === 'held') return fault.untilMs
    if (fault?.kind === 'throttled')
      return Math.max(lastMs, nowMs) + (bytes * 1_000) / fault.bytesPerSecond
    if (this.#bufferMs > 0 && side === 'guard')
      return Math.ceil(nowMs / this.#bufferMs) * this.#bufferMs
    return nowMs
  }
}
