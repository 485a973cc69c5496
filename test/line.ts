import {
  connect,
  createServer,
  type AddressInfo,
  type NetConnectOpts,
  type Server,
  type Socket,
} from 'node:net'

/**
 * A network line to a server, which can be cut: it refuses connections, or accepts them and drops
 * what is sent.
 */
export class Line {
  readonly #to: NetConnectOpts
  #proxy: Server | undefined
  #port = 0
  #state: 'open' | 'refuses' | 'swallows' = 'open'
  readonly #sockets = new Set<Socket>()

  private constructor(to: NetConnectOpts) {
    this.#to = to
  }
  static async open(to: NetConnectOpts): Promise<Line> {
    const line = new Line(to)
    await line.#listen()
    return line
  }
  get port(): number {
    return this.#port
  }

  async refuse(): Promise<void> {
    this.#state = 'refuses'
    this.#drop()
    await this.#unlisten()
  }
  /** Keeps open connections and passes nothing on, like a network that drops packets. */
  swallow(): void {
    this.#state = 'swallows'
    for (const socket of this.#sockets) socket.unpipe().resume()
  }
  /** Opens the line again. What was dropped stays unanswered, as on a line that was cut. */
  async repair(): Promise<void> {
    if (this.#state === 'swallows') this.#drop()
    this.#state = 'open'
    await this.#listen()
  }
  async close(): Promise<void> {
    this.#drop()
    await this.#unlisten()
  }

  #drop(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
  async #listen(): Promise<void> {
    if (this.#proxy !== undefined) return
    const proxy = createServer((from) => this.#pass(from))
    this.#proxy = proxy
    await new Promise<void>((ready, failed) => {
      proxy.once('error', failed)
      proxy.listen(this.#port, '127.0.0.1', ready)
    })
    this.#port = (proxy.address() as AddressInfo).port
  }
  async #unlisten(): Promise<void> {
    const proxy = this.#proxy
    this.#proxy = undefined
    if (proxy !== undefined) await new Promise((done) => proxy.close(done))
  }
  #pass(from: Socket): void {
    this.#hold(from)
    if (this.#state === 'swallows') return void from.resume()
    const to = connect(this.#to)
    this.#hold(to)
    from.pipe(to).pipe(from)
    from.on('close', () => to.destroy())
    to.on('close', () => from.destroy())
  }
  #hold(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
  }
}
