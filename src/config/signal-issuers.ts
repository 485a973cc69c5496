import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { z } from 'zod'
import { isGuid } from '../protocol/guid.ts'
import { readStream, streamShape, type StreamSettings } from './signal-stream.ts'

/**
 * Reads the file of other systems that may send signals: issuers of security events and upstream
 * OpenID providers.
 */

export interface SignalIssuer {
  issuer: string
  /**
   * `secevent`: pushes security event tokens (RFC 8935). `oidc`: an upstream OpenID provider that
   * sends logout tokens.
   */
  kind: 'secevent' | 'oidc'
  jwksUri: string
  audience: string
  /** The format in which the issuer names users, see docs/microsoft.md. */
  subject: 'iss_sub' | 'opaque' | 'tid_oid'
  /** The tenants whose users it may name; undefined: every connected tenant. */
  tenants: string[] | undefined
  /**
   * The longest expected time between two events, verification events included. If undefined, the
   * broker does not check it.
   */
  maxSilenceSeconds?: number | undefined
  /**
   * The stream that the broker creates at the issuer. If undefined, the operator creates it there.
   */
  stream?: StreamSettings | undefined
}

/**
 * The default for a stream that the broker manages, because the broker requests verification events
 * for it.
 */
const MAX_SILENCE_SECONDS = 3600

const shape = z.strictObject({
  issuers: z.array(
    z.strictObject({
      issuer: z.url(),
      kind: z.enum(['secevent', 'oidc']).default('secevent'),
      jwks_uri: z.url(),
      audience: z.string().min(1).optional(),
      subject: z.enum(['iss_sub', 'opaque', 'tid_oid']),
      max_silence_seconds: z
        .int()
        .min(60)
        .max(30 * 86_400)
        .optional(),
      stream: streamShape.optional(),
      tenants: z
        .array(z.string().toLowerCase().refine(isGuid, 'must be a tenant id'))
        .min(1)
        .optional(),
    }),
  ),
})

/**
 * Reads the file of issuers.
 * @param add receives each problem, which completes the sentence "The setting …"
 */
export function readSignalIssuers(
  file: string,
  {
    issuer,
    allowLoopback,
    add,
  }: { issuer: string; allowLoopback: boolean; add: (problem: string) => void },
): SignalIssuer[] {
  // The YAML parser is loaded only for this file, which few brokers have, and by `require` because
  // settings are read synchronously.
  const { parse, YAMLParseError } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error'
    add(
      error instanceof YAMLParseError
        ? `names ${file}, which is not valid YAML`
        : `names ${file}, which cannot be read: ${code}`,
    )
    return []
  }
  const parsed = shape.safeParse(content)
  if (!parsed.success) {
    for (const issue of parsed.error.issues)
      add(`names ${file}: ${issue.path.join('.') || 'the file'}: ${issue.message}`)
    return []
  }
  return parsed.data.issuers.map((entry) =>
    issuerOf(entry, {
      issuer,
      allowLoopback,
      add: (problem) => add(`names ${file}: ${entry.issuer}: ${problem}`),
    }),
  )
}

function issuerOf(
  entry: z.output<typeof shape>['issuers'][number],
  {
    issuer,
    allowLoopback,
    add,
  }: { issuer: string; allowLoopback: boolean; add: (problem: string) => void },
): SignalIssuer {
  const secure = [entry.issuer, entry.jwks_uri].every((url) => url.startsWith('https://'))
  if (!secure && !allowLoopback) add('issuer and jwks_uri must be https')
  if (entry.kind === 'oidc' && entry.max_silence_seconds !== undefined)
    add('max_silence_seconds is for kind secevent; remove it')
  if (entry.kind === 'oidc' && entry.stream !== undefined)
    add('stream is for kind secevent; remove it')
  if (entry.kind === 'oidc' && entry.audience === undefined)
    add("audience is missing: the broker's client_id at that provider")
  return {
    issuer: entry.issuer,
    kind: entry.kind,
    jwksUri: entry.jwks_uri,
    audience: entry.audience ?? issuer,
    subject: entry.subject,
    tenants: entry.tenants,
    maxSilenceSeconds: entry.max_silence_seconds ?? (entry.stream && MAX_SILENCE_SECONDS),
    ...(entry.stream && { stream: readStream(entry.stream, entry.issuer, { allowLoopback, add }) }),
  }
}
