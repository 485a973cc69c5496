/**
 * The servers that an address names, one of which is the primary. They are tried in turn, because
 * the driver accepts a single server.
 */

const SHAPE = /^(postgres(?:ql)?:\/\/(?:[^@/?]*@)?)([^/?]*)([^?]*)\??(.*)$/

/**
 * Splits `postgres://a:5432,b:5432/broker`, or `postgres:///broker?host=a,b&port=5432,5432`, into
 * one address for each server.
 */
export function addressesOf(url: string): string[] {
  const [, user, authority = '', path = '', query = ''] = SHAPE.exec(url) ?? []
  if (user === undefined) return [url]
  if (authority.includes(','))
    return authority
      .split(',')
      .map((host) => `${user}${host}${path}${query === '' ? '' : `?${query}`}`)
  const params = new URLSearchParams(query)
  const hosts = (params.get('host') ?? '').split(',')
  if (hosts.length === 1) return [url]
  const ports = (params.get('port') ?? '').split(',')
  return hosts.map((host, at) => {
    params.set('host', host)
    const port = ports[at] ?? ports[0] ?? ''
    if (port !== '') params.set('port', port)
    return `${user}${authority}${path}?${params.toString()}`
  })
}

export class Servers {
  readonly #addresses: string[]
  #at = 0

  constructor(url: string) {
    this.#addresses = addressesOf(url)
  }

  get current(): string {
    return this.#addresses[this.#at] ?? ''
  }

  get count(): number {
    return this.#addresses.length
  }

  /**
   * Makes the next connection go to the following server, because this one could not be reached or
   * is not the primary.
   */
  passOver(address: string): void {
    if (address === this.current) this.#at = (this.#at + 1) % this.#addresses.length
  }
}
