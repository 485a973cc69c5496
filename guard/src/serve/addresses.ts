import { chmodSync, lstatSync, renameSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'

/** The address of a listener: TCP or a unix socket. */
export type Address = { kind: 'tcp'; host: string; port: number } | { kind: 'unix'; path: string }

/**
 * Mode of the socket: owner and group only. The proxy and the application must be in that group.
 */
const SOCKET_MODE = 0o660

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || host.startsWith('127.')

export function readAddress(text: string): Address | undefined {
  if (text.startsWith('unix:'))
    return text.length > 6 && text[5] === '/' ? { kind: 'unix', path: text.slice(5) } : undefined
  const [, bracketed, plain, port] =
    /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  return host === undefined || Number(port) > 65_535
    ? undefined
    : { kind: 'tcp', host, port: Number(port) }
}

/** Opens the listener. @returns its address for clients. @throws Error if the address is in use */
export async function listen(server: Server, address: Address): Promise<string> {
  if (address.kind === 'tcp') {
    await opened(server, () => server.listen(address.port, address.host))
    const { port } = server.address() as AddressInfo
    return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
  }
  await clear(address.path)
  // The socket gets its final name only after its mode is set.
  const unfinished = `${address.path}.new`
  rmSync(unfinished, { force: true })
  await opened(server, () => server.listen(unfinished))
  chmodSync(unfinished, SOCKET_MODE)
  renameSync(unfinished, address.path)
  return `unix:${address.path}`
}

/** Removes the socket file after the server has closed. */
export function removeSocket(address: Address): void {
  if (address.kind === 'unix') rmSync(address.path, { force: true })
}

function opened(server: Server, open: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    open()
  })
}

/**
 * Removes the socket of a killed process. A socket that answers, or another kind of file, stays.
 */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined) return
  if (!found.isSocket())
    throw new Error(`${path} exists and is not a socket. Choose another path, or remove it.`)
  const answers = await new Promise<boolean>((resolve) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
  if (answers) throw new Error(`Another process listens at ${path}.`)
  rmSync(path)
}
