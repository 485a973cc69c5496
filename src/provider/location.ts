/**
 * A registered address as a Location header has it: in ASCII (RFC 9110 §10.2.2, RFC 3986 §2). What
 * is encoded in it stays as it is; Hono would encode all of it again, `iss` and `state` included.
 */
export const inLocation = (address: string): string =>
  address.toWellFormed().replace(/[^\x21-\x7e]+/g, encodeURIComponent)
