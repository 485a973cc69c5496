import type { Deps } from '../deps.ts'

/**
 * What /setup sends a browser to Microsoft for, and the outcome. Both travel sealed, because the
 * operators' listener and the public one are two origins that share no cookie: the purpose from the
 * page's link to the public listener, its outcome back.
 */

export interface SignInPurpose {
  id: string
  /**
   * `consent`: an administrator of the tenant consents for every user. `trial`: a user signs in,
   * and only the claims that arrived are kept.
   */
  kind: 'consent' | 'trial'
  tid: string
  /** The proof of MFA that is tried. */
  proof?: string | undefined
  /** Who began it, by `Visitor.key`: no other visitor can end it. */
  key: string
  /** Started from an invitation, which is valid until then: its outcome does not go to /setup. */
  invitedUntil?: number | undefined
  /**
   * By an administrator of the tenant, who is about to assert `proof`: the sign-in has to be a
   * fresh one.
   */
  asserts?: true
}

/** What a trial sign-in brought: which claims, never a token. */
export interface Trial {
  at: number
  proof: string | undefined
  oid: string
  who: string
  acrs: string[]
  amr: string[] | undefined
  /** Which optional claims were there. */
  claims: Record<'sid' | 'login_hint' | 'auth_time' | 'email', boolean>
  /** The directory role by which they may act for the tenant. */
  directoryRole: string | undefined
  /** The directory role by which they may say what the tenant's policies demand. */
  policyRole?: string | undefined
  roles: string[]
}

export type Outcome =
  | { purpose: SignInPurpose; came: 'consent' }
  | { purpose: SignInPurpose; came: 'trial'; trial: Trial }
  /** `guidance`: a key of Microsoft's guidance table. */
  | { purpose: SignInPurpose; came: 'rejected'; guidance: string; code?: number | undefined }

export type Signed = Outcome & { came: 'trial' }

export interface SealedPayloads {
  /** In a link of /setup. */
  purpose: SignInPurpose
  /** In a link for the administrator of another tenant. */
  invitation: { tid: string; until: number }
  /** As Microsoft's `state`: the purpose with what its return is held against. */
  visit: {
    purpose: SignInPurpose
    nonce: string
    verifier: string
    browser: string
    departedAt: number
  }
  /** Back to /setup. */
  outcome: Outcome
  /**
   * What an administrator is about to assert, with the hash of the cookie of the browser that
   * signed in.
   */
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

/** Undefined: not ours. `late`: ours, and too old. */
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
