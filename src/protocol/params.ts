import { OAuthError } from './error.ts'
import { canBeStored } from './stored-text.ts'

/**
 * The parameters of one request: each at most once, and empty ones as if absent (RFC 6749 §3.1 and
 * §3.2).
 */
export type Params = ReadonlyMap<string, string>

/**
 * Reads the parameters of a request.
 * @param repeatable names that a specification allows more than once (RFC 8707 §2 `resource`, RFC
 * 8693 §2.1 `audience`); their values are joined by a space
 * @throws OAuthError invalid_request if a parameter is repeated or contains a NUL character
 */
export function readParams(source: URLSearchParams, repeatable: readonly string[] = []): Params {
  const params = new Map<string, string>()
  for (const [name, value] of source) {
    if (value === '') continue
    if (!canBeStored(value)) throw withNul(name)
    const before = params.get(name)
    if (before === undefined) params.set(name, value)
    else if (repeatable.includes(name)) params.set(name, `${before} ${value}`)
    else throw new OAuthError('invalid_request', `Send the parameter ${printable(name)} once only.`)
  }
  return params
}

/**
 * Parses the form of a page.
 * @throws OAuthError invalid_request if a field contains a NUL character
 */
export function parseForm(body: string): URLSearchParams {
  const form = new URLSearchParams(body)
  for (const [name, value] of form) if (!canBeStored(value)) throw withNul(name)
  return form
}

/** The error for a NUL character, which Postgres cannot store. */
const withNul = (name: string): OAuthError =>
  new OAuthError(
    'invalid_request',
    `The parameter ${printable(name)} has a NUL character (U+0000). Send it without.`,
  )

/**
 * Reads the parameters for a page that has its own error text. Returns undefined if a parameter is
 * repeated or contains a NUL character.
 */
export function tryParams(source: URLSearchParams): Params | undefined {
  try {
    return readParams(source)
  } catch (error) {
    if (error instanceof OAuthError) return undefined
    throw error
  }
}

/**
 * Returns a required parameter.
 * @throws OAuthError invalid_request if it is missing
 */
export function required(params: Params, name: string): string {
  const value = params.get(name)
  if (value === undefined)
    throw new OAuthError('invalid_request', `The parameter ${name} is missing.`)
  return value
}

/** Returns the value of a JSON text, or undefined if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Splits a space-separated list and removes duplicates, in the given order (RFC 6749 §3.3). */
export const splitList = (value: string | undefined): string[] => [
  ...new Set((value ?? '').split(' ').filter(Boolean)),
]

/**
 * Returns the value for use in an `error_description` (RFC 6749 §5.2): shortened, with `?` for
 * characters that are not allowed there.
 */
export const printable = (value: string): string =>
  value.slice(0, 60).replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?')

/** Returns whether the value has 43 to 128 unreserved characters (RFC 7636 §4.1). */
export const isCodeVerifier = (value: string): boolean => /^[A-Za-z0-9\-._~]{43,128}$/.test(value)
/**
 * Returns whether the value has the form of an S256 challenge, a SHA-256 in base64url (RFC 7636
 * §4.2).
 */
export const isCodeChallenge = (value: string): boolean => /^[A-Za-z0-9\-_]{43}$/.test(value)
