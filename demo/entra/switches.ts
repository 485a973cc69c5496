import { z } from 'zod'
import { CONTOSO, FABRIKAM } from './users.ts'

/**
 * Switches for administrators and tests: each is a behavior that Microsoft shows to its clients.
 */

export const AREAS = ['authorize', 'token', 'metadata', 'logout', 'graph'] as const
export type Area = (typeof AREAS)[number]
export const FORGERIES = [
  'signature',
  'issuer',
  'audience',
  'tenant',
  'nonce',
  'expiry',
  'algorithm',
] as const

const area = z.enum(AREAS)
const consent = z.enum(['granted', 'user', 'admin'])

export const switchesSchema = z.strictObject({
  /** Areas that answer 503 (AADSTS90033). */
  outage: z.array(area),
  /** Areas that answer 429 with Retry-After. */
  throttle: z
    .strictObject({ areas: z.array(area), retryAfterSeconds: z.int().min(0).max(3600) })
    .nullable(),
  latencyMs: z.partialRecord(area, z.int().min(0).max(120_000)),
  /** The AADSTS code by user (or `*`), at sign-in, at the token endpoint, or both. */
  errorFor: z.record(
    z.string(),
    z.strictObject({ code: z.int(), at: z.enum(['authorize', 'token', 'both']).default('both') }),
  ),
  /** The AADSTS code that the next token requests get, for any user. It counts down. */
  tokenErrors: z.strictObject({ code: z.int(), times: z.int().min(0).max(1_000_000) }).nullable(),
  /** True if ID tokens have `amr`. Off by default, as in Entra's v2.0 tokens. */
  amr: z.boolean(),
  authTime: z.boolean(),
  /**
   * The value of `auth_time`: when the password was entered, some minutes earlier, or when the code
   * was issued, whatever was entered.
   */
  authTimeSays: z.enum(['entered', 'old', 'issued']),
  /** True to ignore `max_age`, which Microsoft does not document. */
  ignoreMaxAge: z.boolean(),
  /** How far `iat` and `nbf` are set back. Entra does so by five minutes. */
  iatBackSeconds: z.int().min(0).max(3600),
  /**
   * "Don't ask again on this device": whether the second factor of this browser also counts for the
   * next password.
   */
  rememberMfa: z.boolean(),
  /**
   * Federated domains whose identity provider answers `prompt=login` without a page
   * (PromptLoginBehavior=Disabled).
   */
  silentDomains: z.array(z.string()),
  /** Federated domains whose identity provider asks for the password at `prompt=login`. */
  federatedDomains: z.array(z.string()),
  /** Optional claims that the registration leaves out. */
  omitClaims: z.array(z.string()),
  /**
   * Authentication contexts that a policy is bound to. Entra also issues an unbound one, without
   * its proof.
   */
  boundContexts: z.array(z.string()),
  /**
   * By tenant id, the authentication contexts whose policy requires the authentication strength
   * Phishing-resistant MFA.
   */
  strongContexts: z.record(z.string(), z.array(z.string())),
  /** The users from whom Conditional Access demands MFA: those who have it, all, or none. */
  requireMfa: z.enum(['registered', 'everybody', 'nobody']),
  /** A sign-in frequency of Conditional Access, which refresh tokens meet too. */
  signInFrequencySeconds: z.int().min(1).nullable(),
  /**
   * A policy that rejects the address of the token requests, with that AADSTS code: before or after
   * Microsoft looks at the account, which it does not document.
   */
  addressPolicy: z
    .strictObject({ code: z.int(), answers: z.enum(['before_account', 'after_account']) })
    .nullable(),
  /**
   * True to ask "Stay signed in?" (otherwise the answer is unknown), and the answer in auto mode.
   */
  kmsiPrompt: z.boolean(),
  kmsiDefault: z.boolean(),
  /** True if users of `9188040d-…` may use the application. */
  personalAccounts: z.boolean(),
  /** True to send errors to the application that Entra shows on its own page. */
  errorsToApp: z.boolean(),
  /** The state of the consent, by tenant id. */
  consent: z.record(z.string(), consent),
  /** Tenants in which the application is missing (700016) or disabled (7000112). */
  appMissingIn: z.array(z.string()),
  appDisabledIn: z.array(z.string()),
  /** True if every credential of the application has expired (7000222). */
  credentialExpired: z.boolean(),
  clockSkewSeconds: z.int().min(-86_400).max(86_400),
  /** The error in the ID tokens that are issued from now on. */
  forge: z.enum(FORGERIES).nullable(),
  /** True to send Graph notifications twice, or not at all. */
  duplicateNotifications: z.boolean(),
  dropNotifications: z.boolean(),
  /**
   * True if revoking sessions alone causes an `updated` notification, which Microsoft does not
   * document.
   */
  revokeNotifies: z.boolean(),
  /** The delay after which Graph's revokeSignInSessions takes effect. */
  revokeDelayMs: z.int().min(0).max(600_000),
})
export type Switches = z.infer<typeof switchesSchema>

export const DEFAULTS: Switches = {
  outage: [],
  throttle: null,
  latencyMs: {},
  errorFor: {},
  tokenErrors: null,
  amr: false,
  authTime: true,
  authTimeSays: 'entered',
  ignoreMaxAge: false,
  iatBackSeconds: 300,
  rememberMfa: false,
  silentDomains: [],
  federatedDomains: [],
  omitClaims: [],
  boundContexts: ['c1'],
  strongContexts: { [CONTOSO.tid]: ['c5'], [FABRIKAM.tid]: ['c5'] },
  requireMfa: 'registered',
  signInFrequencySeconds: null,
  addressPolicy: null,
  kmsiPrompt: true,
  kmsiDefault: false,
  personalAccounts: false,
  errorsToApp: false,
  consent: {},
  appMissingIn: [],
  appDisabledIn: [],
  credentialExpired: false,
  clockSkewSeconds: 0,
  forge: null,
  duplicateNotifications: false,
  dropNotifications: false,
  revokeNotifies: false,
  revokeDelayMs: 0,
}

export const switchesPatch = switchesSchema.partial()
