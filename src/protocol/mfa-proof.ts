import { ACR_PHISHING_RESISTANT, type Strength } from './strength.ts'

/** Parses how a tenant's tokens prove MFA, as written in settings, the API and the database. */

/**
 * A tenant's proof of MFA, written as `auth_context:c1` to `c25`, `amr`, or `conditional_access`
 * (an administrator asserts that a policy on the app requires MFA). `,phr:c5` after it names the
 * authentication context whose policy requires phishing-resistant MFA.
 */
export type MfaProof = (
  | { kind: 'auth_context'; id: string }
  | { kind: 'amr' }
  | { kind: 'conditional_access' }
) & { phishingResistant?: string | undefined }

const CONTEXT = 'auth_context:'
const PHISHING_RESISTANT = `,${ACR_PHISHING_RESISTANT}:`

/** The message for a value that is not valid. */
export const MFA_PROOF_EXPECTED =
  'must be auth_context:c1 (to c25), amr or conditional_access, and may end with ,phr:c5 (docs/entra.md says what each proves)'

/**
 * Returns whether the value is an id of Entra for an authentication context that policies can
 * require.
 */
const isAuthContext = (value: string): boolean => /^c([1-9]|1\d|2[0-5])$/.test(value)

/** Returns the proof, or undefined if the value is not valid. An invalid value proves nothing. */
export function parseMfaProof(value: string): MfaProof | undefined {
  const [mfa = '', phishingResistant, ...more] = value.split(PHISHING_RESISTANT)
  if (more.length > 0 || (phishingResistant !== undefined && !isAuthContext(phishingResistant)))
    return undefined
  const id = mfa.startsWith(CONTEXT) ? mfa.slice(CONTEXT.length) : ''
  if (isAuthContext(id)) return { kind: 'auth_context', id, phishingResistant }
  return mfa === 'amr' || mfa === 'conditional_access'
    ? { kind: mfa, phishingResistant }
    : undefined
}

/** Returns the proof as settings, the API and the database write it. */
export const proofWords = (proof: MfaProof): string =>
  (proof.kind === 'auth_context' ? `${CONTEXT}${proof.id}` : proof.kind) +
  (proof.phishingResistant === undefined ? '' : `${PHISHING_RESISTANT}${proof.phishingResistant}`)

/** Returns the authentication context to ask for, so that the sign-in proves that strength. */
export function contextFor(
  proof: MfaProof | undefined,
  demanded: Strength | undefined,
): string | undefined {
  const own = proof?.kind === 'auth_context' ? proof.id : undefined
  return demanded === ACR_PHISHING_RESISTANT ? (proof?.phishingResistant ?? own) : own
}

/**
 * The authentication context that a fresh sign-in must prove if a floor was raised for a security
 * reason: one for all tenants, or one for each named tenant.
 */

export type FreshContext = { all: string } | { byTenant: Readonly<Record<string, string>> }

export const FRESH_CONTEXT_EXPECTED =
  'must be none, an authentication context (c1 to c25), or a comma list of tenant=context (docs/fresh-sign-in.md says what it demands)'

/** Returns the value of the setting, or undefined if it is not valid. */
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

/** Returns the context that a tenant requires, or undefined if it requires none. */
export const freshContextOf = (demanded: FreshContext, tid: string): string | undefined =>
  'all' in demanded ? demanded.all : demanded.byTenant[tid.toLowerCase()]
