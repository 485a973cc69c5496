import { readFileSync } from 'node:fs'
import { parse, YAMLParseError } from 'yaml'
import { z } from 'zod'
import { isGuid } from '../protocol/guid.ts'

/** The file of other systems that may send signals: issuers of security events and upstream providers. */

export interface SignalIssuer {
  issuer: string
  /** `secevent`: pushes security event tokens (RFC 8935). `oidc`: an upstream provider that sends logout tokens. */
  kind: 'secevent' | 'oidc'
  jwksUri: string
  audience: string
  /** How it names users, see docs/microsoft.md. */
  subject: 'iss_sub' | 'opaque' | 'tid_oid'
  /** The tenants whose users it may name; undefined: every connected tenant. */
  tenants: string[] | undefined
  /** At least this often it sends something, if only a verification event; undefined: it is not watched. */
  heardEverySeconds?: number | undefined
}

const shape = z.strictObject({
  issuers: z.array(
    z.strictObject({
      issuer: z.url(),
      kind: z.enum(['secevent', 'oidc']).default('secevent'),
      jwks_uri: z.url(),
      audience: z.string().min(1).optional(),
      subject: z.enum(['iss_sub', 'opaque', 'tid_oid']),
      heard_every_seconds: z
        .int()
        .min(60)
        .max(30 * 86_400)
        .optional(),
      tenants: z.array(z.string().toLowerCase().refine(isGuid, 'must be a tenant id')).min(1).optional(),
    }),
  ),
})

/** @param add takes each problem; it completes the sentence "The setting …" */
export function readSignalIssuers(
  file: string,
  { issuer, allowLoopback, add }: { issuer: string; allowLoopback: boolean; add: (problem: string) => void },
): SignalIssuer[] {
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'error'
    add(error instanceof YAMLParseError ? `names ${file}, which is not valid YAML` : `names ${file}, which cannot be read: ${code}`)
    return []
  }
  const parsed = shape.safeParse(content)
  if (!parsed.success) {
    for (const issue of parsed.error.issues) add(`names ${file}: ${issue.path.join('.') || 'the file'}: ${issue.message}`)
    return []
  }
  return parsed.data.issuers.map((one) => {
    const secure = [one.issuer, one.jwks_uri].every((url) => url.startsWith('https://'))
    if (!secure && !allowLoopback) add(`names ${file}: ${one.issuer}: issuer and jwks_uri must be https`)
    if (one.kind === 'oidc' && one.heard_every_seconds !== undefined)
      add(`names ${file}: ${one.issuer}: heard_every_seconds is for kind secevent; remove it`)
    if (one.kind === 'oidc' && one.audience === undefined)
      add(`names ${file}: ${one.issuer}: audience is missing: the broker's client_id at that provider`)
    return {
      issuer: one.issuer,
      kind: one.kind,
      jwksUri: one.jwks_uri,
      audience: one.audience ?? issuer,
      subject: one.subject,
      tenants: one.tenants,
      heardEverySeconds: one.heard_every_seconds,
    }
  })
}
