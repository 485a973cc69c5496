/**
 * How a tenant's tokens prove MFA: its written form, in settings, in the API and in the database.
 */

/**
 * `auth_context:c1` to `c25`, `amr`, or `conditional_access` (an administrator asserts that a
 * policy on the app requires MFA).
 */
export type MfaProof =
  | { kind: 'auth_context'; id: string }
  | { kind: 'amr' }
  | { kind: 'conditional_access' }

const CONTEXT = 'auth_context:'

/** The message for any other value. */
export const MFA_PROOF_EXPECTED =
  'must be auth_context:c1 (to c25), amr or conditional_access (docs/entra.md says what each proves)'

/** The ids that Entra has for authentication contexts which policies use. */
const isAuthContext = (value: string): boolean => /^c([1-9]|1\d|2[0-5])$/.test(value)

/** Undefined: not a proof, which proves nothing. */
export function parseMfaProof(value: string): MfaProof | undefined {
  const id = value.startsWith(CONTEXT) ? value.slice(CONTEXT.length) : ''
  if (isAuthContext(id)) return { kind: 'auth_context', id }
  return value === 'amr' || value === 'conditional_access' ? { kind: value } : undefined
}

/**
 * The authentication context that a fresh sign-in has to bring where a floor was raised for a
 * security reason: its written form in the setting. One for every tenant, or one for each tenant
 * that is named.
 */

export type FreshContext = { all: string } | { byTenant: Readonly<Record<string, string>> }

export const FRESH_CONTEXT_EXPECTED =
  'must be none, an authentication context (c1 to c25), or a comma list of tenant=context (docs/fresh-sign-in.md says what it demands)'

/** Undefined: cannot be read. */
export function parseFreshContext(value: string): FreshContext | undefined {
  if (value === 'none') return { byTenant: {} }
  if (isAuthContext(value)) return { all: value }
  const byTenant: Record<string, string> = {}
  for (const part of value.split(',')) {
    const [, tid, context] =
      /^\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})=(c\d+)\s*$/i.exec(part) ?? []
    if (
      tid === undefined ||
      context === undefined ||
      !isAuthContext(context) ||
      byTenant[tid.toLowerCase()] !== undefined
    )
      return undefined
    byTenant[tid.toLowerCase()] = context
  }
  return { byTenant }
}

/** Undefined: the tenant demands none. */
export const freshContextOf = (demanded: FreshContext, tid: string): string | undefined =>
  'all' in demanded ? demanded.all : demanded.byTenant[tid.toLowerCase()]
