/** How a tenant's tokens prove MFA: its written form, in settings, in the API and in the database. */

/** `auth_context:c1` to `c25`, `amr`, or `conditional_access` (an administrator asserts that a policy on the app requires MFA). */
export type MfaProof = { kind: 'auth_context'; id: string } | { kind: 'amr' } | { kind: 'conditional_access' }

/** The message for any other value. */
export const MFA_PROOF_EXPECTED = 'must be auth_context:c1 (to c25), amr or conditional_access (docs/entra.md says what each proves)'

/** Undefined: not a proof, which proves nothing. */
export function parseMfaProof(value: string): MfaProof | undefined {
  const context = /^auth_context:(c([1-9]|1\d|2[0-5]))$/.exec(value)
  if (context?.[1]) return { kind: 'auth_context', id: context[1] }
  return value === 'amr' || value === 'conditional_access' ? { kind: value } : undefined
}
