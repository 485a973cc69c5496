import { z } from 'zod'

/**
 * What an administrator or a test may turn on: each is something that Microsoft does to its
 * clients.
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
  /** These areas answer 503 (AADSTS90033). */
  outage: z.array(area),
  /** These areas answer 429 with Retry-After. */
  throttle: z
    .strictObject({ areas: z.array(area), retryAfterSeconds: z.int().min(0).max(3600) })
    .nullable(),
  latencyMs: z.partialRecord(area, z.int().min(0).max(120_000)),
  /** AADSTS code by user (or `*`); at sign-in, at the token endpoint, or both. */
  errorFor: z.record(
    z.string(),
    z.strictObject({ code: z.int(), at: z.enum(['authorize', 'token', 'both']).default('both') }),
  ),
  /** AADSTS code the next token requests get, for any user. Counts down. */
  tokenErrors: z.strictObject({ code: z.int(), times: z.int().min(0).max(1_000_000) }).nullable(),
  /** `amr` in the ID token. Off as with Entra's v2.0 tokens. */
  amr: z.boolean(),
  authTime: z.boolean(),
  /**
   * What `auth_time` says: when the password was entered, some minutes earlier, or when the code
   * was issued, whatever was entered.
   */
  authTimeSays: z.enum(['entered', 'old', 'issued']),
  /** `max_age` is not documented: whether it is ignored. */
  ignoreMaxAge: z.boolean(),
  /** Entra sets `iat` and `nbf` back by five minutes. */
  iatBackSeconds: z.int().min(0).max(3600),
  /**
   * "Don't ask again on this device": the second factor of this browser counts for the next
   * password too.
   */
  rememberMfa: z.boolean(),
  /**
   * Federated domains whose identity provider answers `prompt=login` without a page
   * (PromptLoginBehavior=Disabled).
   */
  silentDomains: z.array(z.string()),
  /** Federated domains whose identity provider asks for the password at `prompt=login`. */
  federatedDomains: z.array(z.string()),
  /** Optional claims that the registration "forgot". */
  omitClaims: z.array(z.string()),
  /**
   * Authentication contexts that a policy is bound to. An unbound one is issued all the same:
   * Entra's trap.
   */
  boundContexts: z.array(z.string()),
  /** Conditional Access on the application: MFA of users who have it, of every user, or of none. */
  requireMfa: z.enum(['registered', 'everybody', 'nobody']),
  /** "Stay signed in?" asked, or not (then unknown); and the answer in auto mode. */
  kmsiPrompt: z.boolean(),
  kmsiDefault: z.boolean(),
  /** Whether users of `9188040d-…` are let through to the application. */
  personalAccounts: z.boolean(),
  /** Errors that Entra shows on its own page go back to the application instead. */
  errorsToApp: z.boolean(),
  /** Consent by tenant id. */
  consent: z.record(z.string(), consent),
  /** The application is missing (700016) or disabled (7000112) in these tenants. */
  appMissingIn: z.array(z.string()),
  appDisabledIn: z.array(z.string()),
  /** Every credential of the application is past its end (7000222). */
  credentialExpired: z.boolean(),
  clockSkewSeconds: z.int().min(-86_400).max(86_400),
  issInFrontchannel: z.boolean(),
  /** What is wrong with the ID tokens that are issued from now on. */
  forge: z.enum(FORGERIES).nullable(),
  /** Graph notifications come twice; or not at all. */
  duplicateNotifications: z.boolean(),
  dropNotifications: z.boolean(),
  /** Whether revoking sessions alone fires `updated`: Microsoft does not document it. */
  revokeNotifies: z.boolean(),
  /** Graph's revokeSignInSessions takes effect after this long. */
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
  requireMfa: 'registered',
  kmsiPrompt: true,
  kmsiDefault: false,
  personalAccounts: false,
  errorsToApp: false,
  consent: {},
  appMissingIn: [],
  appDisabledIn: [],
  credentialExpired: false,
  clockSkewSeconds: 0,
  issInFrontchannel: false,
  forge: null,
  duplicateNotifications: false,
  dropNotifications: false,
  revokeNotifies: false,
  revokeDelayMs: 0,
}

export const switchesPatch = switchesSchema.partial()
