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

/** Returns the prerequisites and limits of a proof, and what an administrator asserts for it. */
export function wordsOf(proof: string): { means: string[]; assertion: string } {
  const { kind, context } = partsOf(proof)
  const { means, assertion } = KINDS[kind]
  return { means: means(context), assertion: assertion(context) }
}
