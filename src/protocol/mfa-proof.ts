/** How a tenant's tokens prove MFA: its written form, in settings, in the API and in the database. */

/** `auth_context:c1` to `c25`, `amr`, or `conditional_access` (an administrator asserts that a policy on the app requires MFA). */
export type MfaProof = { kind: 'auth_context'; id: string } | { kind: 'amr' } | { kind: 'conditional_access' }

const CONTEXT = 'auth_context:'

/** The message for any other value. */
export const MFA_PROOF_EXPECTED = 'must be auth_context:c1 (to c25), amr or conditional_access (docs/entra.md says what each proves)'

/** The ids that Entra has for authentication contexts which policies use. */
export const isAuthContext = (value: string): boolean => /^c([1-9]|1\d|2[0-5])$/.test(value)

/** Undefined: not a proof, which proves nothing. */
export function parseMfaProof(value: string): MfaProof | undefined {
  const id = value.startsWith(CONTEXT) ? value.slice(CONTEXT.length) : ''
  if (isAuthContext(id)) return { kind: 'auth_context', id }
  return value === 'amr' || value === 'conditional_access' ? { kind: value } : undefined
}
