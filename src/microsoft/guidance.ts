import type { ErrorCode } from '../protocol/error.ts'

/**
 * Guidance for each rejected sign-in: what pages offer the user, what the operator reads, and the
 * error for the instance. Users read it in place of Microsoft's codes. It contains nothing that
 * helps an attacker.
 */

/** The links of a page in addition to the one back to the instance. */
export type Offer = 'contact' | 'try_again' | 'another_account' | 'granting_consent' | 'set_up_mfa'

export interface Guidance {
  /** The text for the log and the console. */
  operator: string
  offers: readonly Offer[]
  /**
   * Set if an operator or administrator must fix something before users, or this user, can sign in.
   */
  alert?: true
  /** The error that the instance receives when the user returns to it (RFC 6749 §4.1.2.1). */
  error: ErrorCode
}

const ANOTHER = ['another_account'] as const
/** An administrator alone can help. */
const CONTACT = ['contact', 'another_account'] as const
const CONSENT = ['contact', 'granting_consent', 'try_again'] as const
const AGAIN = ['try_again', 'another_account'] as const

const GUIDANCE = {
  sign_in_again: {
    operator: 'Microsoft wants a fresh sign-in: the grant was revoked or has expired.',
    offers: AGAIN,
    error: 'login_required',
  },
  account_disabled: {
    operator: 'The account is disabled in Entra.',
    offers: CONTACT,
    error: 'access_denied',
  },
  another_account: {
    operator: 'The account is not in the tenant that was asked.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  personal_account: {
    operator: 'A user signed in with a personal Microsoft account.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  tenant_not_connected: {
    operator: 'The account’s tenant is not on the allow-list (BROKER_ENTRA_TENANT).',
    offers: ['another_account', 'contact'],
    error: 'access_denied',
  },
  step_up: {
    operator: 'Conditional Access wants MFA or another challenge.',
    offers: AGAIN,
    error: 'login_required',
  },
  enrol_mfa: {
    operator: 'The user has to enrol for MFA.',
    offers: ['set_up_mfa', 'try_again', 'another_account'],
    error: 'access_denied',
  },
  mfa_not_proved: {
    operator:
      'The ID token holds no proof of MFA as the tenant’s policy demands it (BROKER_MFA_PROOF): check that the Conditional Access policy is bound to the authentication context and applies to this app.',
    offers: ['try_again', 'set_up_mfa', 'another_account'],
    error: 'access_denied',
  },
  freshness_not_proved: {
    operator:
      'A fresh sign-in was demanded, by the client or because the user’s sessions were revoked, and the ID token’s auth_time is missing or too old: register the optional claim auth_time for the app. Or the token lacks the authentication context of BROKER_FRESH_CONTEXT: the app needs the optional claim acrs. Of a federated domain: its identity provider may sign users in silently (PromptLoginBehavior).',
    offers: ['try_again', 'contact'],
    error: 'login_required',
  },
  other_user: {
    operator: 'The user who signed in is not the one of id_token_hint.',
    offers: ANOTHER,
    error: 'login_required',
  },
  locked: {
    operator: 'The account is locked in Entra (smart lockout).',
    offers: AGAIN,
    error: 'access_denied',
  },
  blocked_by_policy: {
    operator: 'A Conditional Access policy blocks the sign-in.',
    offers: CONTACT,
    error: 'access_denied',
  },
  not_assigned: {
    operator: 'The user is not assigned to the enterprise application.',
    offers: CONTACT,
    error: 'access_denied',
  },
  not_assigned_here: {
    operator: 'The user’s tenant or app roles do not admit them to this client.',
    offers: CONTACT,
    error: 'access_denied',
  },
  user_locked: {
    operator: 'The user is locked here (cmb locks list).',
    offers: CONTACT,
    error: 'access_denied',
  },
  tenant_locked: {
    operator: 'The user’s tenant is locked here (cmb locks list).',
    offers: CONTACT,
    error: 'access_denied',
  },
  client_locked: {
    operator:
      'The client, or a client of the audience that it asks for, is locked here (cmb locks list).',
    offers: ['contact'],
    error: 'access_denied',
  },
  consent: {
    operator: 'No administrator has consented to the app in this tenant.',
    offers: ['try_again', 'contact', 'granting_consent'],
    error: 'access_denied',
  },
  declined: {
    operator: 'The user declined at Microsoft, or came back from its page “Need admin approval”.',
    offers: ['try_again', 'contact', 'granting_consent'],
    error: 'access_denied',
  },
  admin_consent: {
    operator: 'Administrator’s consent is missing in this tenant.',
    offers: CONSENT,
    alert: true,
    error: 'access_denied',
  },
  redirect_mismatch: {
    operator:
      'The redirect address <issuer>/signin/callback is not registered for the app in Entra.',
    offers: ['contact'],
    alert: true,
    error: 'temporarily_unavailable',
  },
  app_missing: {
    operator: 'The app registration is missing or disabled in this tenant.',
    offers: CONSENT,
    alert: true,
    error: 'temporarily_unavailable',
  },
  credential: {
    operator: 'The broker’s own credential is wrong, unreadable or expired at Entra: renew it.',
    offers: ['try_again', 'contact'],
    alert: true,
    error: 'temporarily_unavailable',
  },
  loop: {
    operator: 'Entra detected a client loop: check why sign-ins repeat.',
    offers: ['try_again'],
    alert: true,
    error: 'temporarily_unavailable',
  },
  outage: {
    operator: 'Entra cannot be reached, is throttling, or answers with errors.',
    offers: ['try_again'],
    error: 'temporarily_unavailable',
  },
  clock_wrong: {
    operator:
      'The clock of the broker disagrees with Microsoft’s by more than 60 s, so no sign-in can be judged: synchronize it by NTP.',
    offers: ['try_again'],
    error: 'temporarily_unavailable',
  },
  untrusted_token: {
    operator:
      'An ID token was rejected: signature, issuer, audience, nonce or times. Once may be a clock; often is an attack.',
    offers: ['try_again', 'contact'],
    alert: true,
    error: 'access_denied',
  },
  unknown: {
    operator: 'Entra rejected with an error that the table does not know.',
    offers: ['try_again', 'contact', 'another_account'],
    error: 'access_denied',
  },
} as const satisfies Record<string, Guidance>

export type GuidanceKey = keyof typeof GUIDANCE

/** Returns the key, or `unknown` if the table does not have it. */
export const guidanceKey = (key: string): GuidanceKey =>
  Object.hasOwn(GUIDANCE, key) ? (key as GuidanceKey) : 'unknown'

export const guidanceFor = (key: string): Guidance => GUIDANCE[guidanceKey(key)]
