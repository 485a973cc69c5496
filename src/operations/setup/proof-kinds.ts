import { parseMfaProof } from '../../protocol/mfa-proof.ts'
import { KINDS, PHISHING_RESISTANT } from './texts/proof-kinds.ts'

/** Finds the texts of a proof of MFA. */

interface Parts {
  kind: keyof typeof KINDS
  /** The authentication context that proves MFA. */
  context: string
  /** The one that proves phishing-resistant MFA. */
  phishingResistant: string | undefined
}

/** Splits a proof into its kind and the authentication contexts that it names. */
export function partsOf(proof: string): Parts {
  const parsed = parseMfaProof(proof)
  return {
    kind: parsed?.kind ?? 'auth_context',
    context: parsed?.kind === 'auth_context' ? parsed.id : 'c1',
    phishingResistant: parsed?.phishingResistant,
  }
}

/** Returns the prerequisites and limits of a proof, and what an administrator asserts for it. */
export function wordsOf(proof: string): { means: string[]; assertion: string } {
  const { kind, context, phishingResistant: strong } = partsOf(proof)
  const { means, assertion } = KINDS[kind]
  if (strong === undefined) return { means: means(context), assertion: assertion(context) }
  return {
    means: [...means(context), ...PHISHING_RESISTANT.means(strong)],
    assertion: `${assertion(context)} ${PHISHING_RESISTANT.assertion(strong)}`,
  }
}
