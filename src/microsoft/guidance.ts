import type { ErrorCode } from '../protocol/error.ts'

/** What a person reads instead of a code, what the operator sees, and what there is to do. Nothing here helps an outsider. */

/** What a page offers besides going back to the instance. */
export type Offer = 'try_again' | 'another_account' | 'granting_consent' | 'set_up_mfa'

export interface Guidance {
  title: string
  /** Paragraphs for the person. */
  read: readonly string[]
  /** For the log and the console. */
  operator: string
  offers: readonly Offer[]
  /** Somebody has to mend something before anybody, or this person, can sign in. */
  alert?: true
  /** What the instance is told when the person goes back (RFC 6749 §4.1.2.1). */
  error: ErrorCode
}

const ANOTHER = ['another_account'] as const
const AGAIN = ['try_again', 'another_account'] as const

const GUIDANCE = {
  sign_in_again: {
    title: 'Please sign in again',
    read: ['Microsoft asks you to sign in again before you can go on.'],
    operator: 'Microsoft wants a fresh sign-in: the grant was revoked or has expired.',
    offers: AGAIN,
    error: 'login_required',
  },
  account_disabled: {
    title: 'This account cannot sign in',
    read: ['Your organisation has switched this account off. Please contact your administrator.'],
    operator: 'The account is disabled in Entra.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  another_account: {
    title: 'Please use another account',
    read: ['This account does not belong to an organisation that uses Case Manager here. Sign in with your work account.'],
    operator: 'The account is not in the tenant that was asked.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  personal_account: {
    title: 'Please use your work account',
    read: ['Personal Microsoft accounts cannot be used for Case Manager. Sign in with the account that your organisation gave you.'],
    operator: 'Somebody signed in with a personal Microsoft account.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  tenant_not_connected: {
    title: 'Please use another account',
    read: ['The organisation of this account is not connected to Case Manager here. Sign in with another work account, or ask your administrator.'],
    operator: 'The account’s tenant is not on the allow-list (BROKER_ENTRA_TENANT).',
    offers: ANOTHER,
    error: 'access_denied',
  },
  step_up: {
    title: 'Microsoft asks for one more step',
    read: [
      'Your organisation wants you to confirm your sign-in, for example with your authenticator app. Please try again and follow what Microsoft asks.',
    ],
    operator: 'Conditional Access wants MFA or another challenge.',
    offers: AGAIN,
    error: 'login_required',
  },
  enrol_mfa: {
    title: 'Your account needs a second factor',
    read: ['Your account is not yet set up for multifactor authentication. Set it up at Microsoft, then come back and try again.'],
    operator: 'The person has to enrol for MFA.',
    offers: ['set_up_mfa', 'try_again', 'another_account'],
    error: 'access_denied',
  },
  mfa_not_proved: {
    title: 'Multifactor authentication is needed',
    read: [
      'Microsoft did not confirm that you signed in with a second factor, and Case Manager lets nobody in without.',
      'Set up multifactor authentication for your account if you have not, then try again. If you did confirm a second factor just now, please tell your administrator.',
    ],
    operator:
      'The ID token holds no proof of MFA as the tenant’s policy demands it (BROKER_MFA_PROOF): check that the Conditional Access policy is bound to the authentication context and applies to this app.',
    offers: ['try_again', 'set_up_mfa', 'another_account'],
    error: 'access_denied',
  },
  freshness_not_proved: {
    title: 'Please sign in once more',
    read: [
      'For this step your sign-in has to be fresh, and Microsoft did not confirm that it is. Please try again and enter your credentials when you are asked. If this page comes back, please tell your administrator.',
    ],
    operator: 'A fresh sign-in was demanded, and the ID token’s auth_time is missing or too old: register the optional claim auth_time for the app.',
    offers: ['try_again'],
    error: 'login_required',
  },
  other_person: {
    title: 'That was another account',
    read: ['The application asked for the person who was signed in before, and another account was used. Please try again with that account.'],
    operator: 'The person who signed in is not the one of id_token_hint.',
    offers: ANOTHER,
    error: 'login_required',
  },
  locked: {
    title: 'Your account is locked for now',
    read: ['Microsoft has locked this account, usually after too many attempts. Please wait a while, then try again.'],
    operator: 'The account is locked in Entra (smart lockout).',
    offers: AGAIN,
    error: 'access_denied',
  },
  blocked_by_policy: {
    title: 'Your organisation does not allow this sign-in',
    read: ['A policy of your organisation does not allow signing in from this device, place or app. Your administrator can tell you what is needed.'],
    operator: 'A Conditional Access policy blocks the sign-in.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  not_assigned: {
    title: 'You have no access yet',
    read: ['Your account has not been given access to Case Manager. Ask your administrator for it.'],
    operator: 'The person is not assigned to the enterprise application.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  not_assigned_here: {
    title: 'You have no access here',
    read: ['You are signed in, but your account may not use this Case Manager instance. Ask your administrator for access, or use another account.'],
    operator: 'The person’s tenant or app roles do not admit them to this client.',
    offers: ANOTHER,
    error: 'access_denied',
  },
  consent: {
    title: 'Your agreement is needed',
    read: [
      'Microsoft asks whether Case Manager may read your basic profile. Please try again and accept. If Microsoft does not let you, your administrator has to accept for everybody.',
    ],
    operator: 'Nobody has consented to the app in this tenant.',
    offers: ['try_again', 'granting_consent'],
    error: 'access_denied',
  },
  declined: {
    title: 'You did not sign in',
    read: ['The sign-in at Microsoft was cancelled. You can try again, or go back.'],
    operator: 'The person declined at Microsoft.',
    offers: AGAIN,
    error: 'access_denied',
  },
  admin_consent: {
    title: 'An extra setup action remains',
    read: ['You need to contact your IT administrator. An extra setup action remains to be done.'],
    operator: 'Administrator’s consent is missing in this tenant.',
    offers: ['granting_consent', 'another_account'],
    alert: true,
    error: 'access_denied',
  },
  redirect_mismatch: {
    title: 'Case Manager is not set up right',
    read: ['This is not your fault: the sign-in address is not registered at Microsoft. Please tell your administrator.'],
    operator: 'The redirect address <issuer>/signin/callback is not registered for the app in Entra.',
    offers: [],
    alert: true,
    error: 'temporarily_unavailable',
  },
  app_missing: {
    title: 'Case Manager is not set up in your organisation',
    read: ['This is not your fault: Case Manager is not set up, or is switched off, at Microsoft. Please tell your administrator.'],
    operator: 'The app registration is missing or disabled in this tenant.',
    offers: ['granting_consent', 'another_account'],
    alert: true,
    error: 'temporarily_unavailable',
  },
  credential: {
    title: 'Sign-in is not possible right now',
    read: ['This is not your fault: Case Manager cannot identify itself to Microsoft. Please try again later, or tell your administrator.'],
    operator: 'The broker’s own credential is wrong, unreadable or expired at Entra: renew it.',
    offers: ['try_again'],
    alert: true,
    error: 'temporarily_unavailable',
  },
  loop: {
    title: 'Too many attempts in a row',
    read: ['Microsoft has seen too many sign-ins in a row. Please wait some minutes, then try again.'],
    operator: 'Entra detected a client loop: check why sign-ins repeat.',
    offers: ['try_again'],
    alert: true,
    error: 'temporarily_unavailable',
  },
  outage: {
    title: 'Microsoft cannot be reached right now',
    read: ['Please try again in a moment. Whoever is signed in stays signed in.'],
    operator: 'Entra cannot be reached, is throttling, or answers with errors.',
    offers: ['try_again'],
    error: 'temporarily_unavailable',
  },
  untrusted_token: {
    title: 'The sign-in could not be verified',
    read: [
      'What came back from Microsoft could not be verified, so nobody was signed in. Please try again. If it happens again, tell your administrator.',
    ],
    operator: 'An ID token was refused: signature, issuer, audience, nonce or times. Once may be a clock; often is an attack.',
    offers: ['try_again'],
    alert: true,
    error: 'access_denied',
  },
  unknown: {
    title: 'The sign-in did not work',
    read: ['Microsoft could not sign you in. Please try again. If it happens again, give your administrator the code below.'],
    operator: 'Entra refused with an error that the table does not know.',
    offers: AGAIN,
    error: 'access_denied',
  },
} as const satisfies Record<string, Guidance>

export type GuidanceKey = keyof typeof GUIDANCE

/** Whatever is not in the table reads as `unknown`. */
export const guidanceFor = (key: string): Guidance => (Object.hasOwn(GUIDANCE, key) ? GUIDANCE[key as GuidanceKey] : GUIDANCE.unknown)
