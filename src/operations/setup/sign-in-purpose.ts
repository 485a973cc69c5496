import type { Deps } from '../deps.ts'

/**
 * The purpose and outcome of a visit to Microsoft. Both are sealed into URLs, because the
 * operators' listener and the public one are two origins that share no cookie.
 */

export interface SignInPurpose {
  id: string
  /**
   * `consent`: an administrator consents for every user of the tenant. `trial`: a user signs in,
   * and only the received claims are kept.
   */
  kind: 'consent' | 'trial'
  tid: string
  /** The proof of MFA under trial. */
  proof?: string | undefined
  /** The `Visitor.key` of the visitor who began. Only that visitor can complete it. */
  key: string
  /** The end of the invitation that it started from. Its outcome does not go to /setup. */
  invitedUntil?: number | undefined
  /**
   * True if an administrator of the tenant is about to assert `proof`, which needs a fresh sign-in.
   */
  asserts?: true
}

/** The result of a trial sign-in. It has the claims but no token. */
export interface Trial {
  at: number
  proof: string | undefined
  oid: string
  who: string
  acrs: string[]
  amr: string[] | undefined
  /** The optional claims, each true if present. */
  claims: Record<'sid' | 'login_hint' | 'auth_time' | 'email', boolean>
  /** The directory role that allows acting for the tenant. */
  directoryRole: string | undefined
  /** The directory role that allows asserting what the tenant's policies demand. */
  policyRole?: string | undefined
  roles: string[]
}

export type Outcome =
  | { purpose: SignInPurpose; kind: 'consent' }
  | { purpose: SignInPurpose; kind: 'trial'; trial: Trial }
  /** `guidance`: a key of Microsoft's guidance table. */
  | { purpose: SignInPurpose; kind: 'rejected'; guidance: string; code?: number | undefined }

export type Signed = Outcome & { kind: 'trial' }

export interface SealedPayloads {
  /** A purpose in a link of /setup. */
  purpose: SignInPurpose
  /** An invitation in a link for the administrator of another tenant. */
  invitation: { tid: string; until: number }
  /**
   * A visit in Microsoft's `state`: the purpose and the values that the callback is checked
   * against.
   */
  visit: {
    purpose: SignInPurpose
    nonce: string
    verifier: string
    browser: string
    departedAt: number
  }
  /** An outcome on its way back to /setup. */
  outcome: Outcome
  /** A trial about to be asserted, with the hash of the cookie of the browser that signed in. */
  assertion: { outcome: Signed; browser: string }
}

const SECONDS: Record<keyof SealedPayloads, number> = {
  purpose: 3600,
  invitation: 7 * 86_400,
  visit: 900,
  outcome: 300,
  assertion: 600,
}

export function seal<K extends keyof SealedPayloads>(
  deps: Pick<Deps, 'sealer'>,
  place: K,
  value: SealedPayloads[K],
  now: number,
): string {
  return deps.sealer.seal(`setup/${place}`, JSON.stringify({ until: now + SECONDS[place], value }))
}

/** Opens a sealed value. Undefined if it is not the broker's; `late` if it has expired. */
export function open<K extends keyof SealedPayloads>(
  deps: Pick<Deps, 'sealer'>,
  place: K,
  sealed: string | null | undefined,
  now: number,
): { value: SealedPayloads[K]; until: number; late: boolean } | undefined {
  const opened = sealed ? deps.sealer.open(`setup/${place}`, sealed) : undefined
  if (opened === undefined) return undefined
  const { until, value } = JSON.parse(opened.toString('utf8')) as {
    until: number
    value: SealedPayloads[K]
  }
  return { value, until, late: until < now }
}
