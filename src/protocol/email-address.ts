/** Email addresses that the broker gives to other systems: only in domains that an administrator has named. */

/** Lower case. */
export const DOMAIN = /^(?:[a-z0-9-]{1,63}\.)+[a-z0-9-]{2,63}$/
const ADDRESS = /^([^\s\p{Cc}@<>,;:"]{1,64})@([a-z0-9.-]{1,255})$/iu

/** @returns the address with its domain in lower case; undefined where its domain is none of these */
export function addressIn(address: string, domains: readonly string[]): string | undefined {
  const [, local, domain] = ADDRESS.exec(address) ?? []
  const lower = domain?.toLowerCase()
  return local !== undefined && lower !== undefined && domains.includes(lower) ? `${local}@${lower}` : undefined
}
