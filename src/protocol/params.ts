import { OAuthError } from './error.ts'
import { canBeStored } from './stored-text.ts'

/**
 * Parameters of one request: each at most once, empty ones as if they were not there (RFC 6749 §3.1
 * and §3.2).
 */
export type Params = ReadonlyMap<string, string>

/**
 * @param repeatable names that a specification allows more than once (RFC 8707 §2 `resource`, RFC
 * 8693 §2.1 `audience`); their values are joined by a space.
 * @throws OAuthError invalid_request where a parameter is repeated or has a NUL character
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
 * The form of a page.
 * @throws OAuthError invalid_request where a field has a NUL character
 */
export function parseForm(body: string): URLSearchParams {
  const form = new URLSearchParams(body)
  for (const [name, value] of form) if (!canBeStored(value)) throw withNul(name)
  return form
}

/** Postgres stores no such text. */
const withNul = (name: string): OAuthError =>
  new OAuthError(
    'invalid_request',
    `The parameter ${printable(name)} has a NUL character (U+0000). Send it without.`,
  )

/**
 * For a page, which has its own words for it: undefined where a parameter is repeated or has a NUL
 * character.
 */
export function tryParams(source: URLSearchParams): Params | undefined {
  try {
    return readParams(source)
  } catch (error) {
    if (error instanceof OAuthError) return undefined
    throw error
  }
}

/** A parameter that must be there. @throws OAuthError invalid_request */
export function required(params: Params, name: string): string {
  const value = params.get(name)
  if (value === undefined)
    throw new OAuthError('invalid_request', `The parameter ${name} is missing.`)
  return value
}

/** The value of a JSON text; undefined where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A space-separated list without duplicates, in the order given (RFC 6749 §3.3). */
export const splitList = (value: string | undefined): string[] => [
  ...new Set((value ?? '').split(' ').filter(Boolean)),
]

/**
 * What may stand in an `error_description` (RFC 6749 §5.2), shortened; whatever else becomes `?`.
 */
export const printable = (value: string): string =>
  value.slice(0, 60).replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?')

/** RFC 7636 §4.1: 43 to 128 unreserved characters. */
export const isCodeVerifier = (value: string): boolean => /^[A-Za-z0-9\-._~]{43,128}$/.test(value)
/** RFC 7636 §4.2, S256: a SHA-256 in base64url, so 43 characters. */
export const isCodeChallenge = (value: string): boolean => /^[A-Za-z0-9\-_]{43}$/.test(value)
