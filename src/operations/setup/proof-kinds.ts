import { parseMfaProof } from '../../protocol/mfa-proof.ts'
import { KINDS } from './texts/proof-kinds.ts'

/** Finds the texts of a proof of MFA. */

/** Splits a proof into its kind and the authentication context that it names. */
export function partsOf(proof: string): { kind: keyof typeof KINDS; context: string } {
  const parsed = parseMfaProof(proof)
  return parsed?.kind === 'auth_context'
    ? { kind: parsed.kind, context: parsed.id }
    : { kind: parsed?.kind ?? 'auth_context', context: 'c1' }
}

/** Returns the prerequisites and limits of a proof. */
export function meansOf(proof: string): string[] {
  const { kind, context } = partsOf(proof)
  return KINDS[kind].means(context)
}

/** Returns the statement that an administrator asserts for a proof. */
export function assertionOf(proof: string): string {
  const { kind, context } = partsOf(proof)
  return KINDS[kind].assertion(context)
}
