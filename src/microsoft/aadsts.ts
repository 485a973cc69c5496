import { type Concern, MicrosoftRejection, type SessionEffect } from './interface.ts'
import type { GuidanceKey } from './guidance.ts'

/**
 * Maps each error of Microsoft to the guidance for the user and the effect on sessions. An outage
 * or a wrong credential of the broker never ends a session; an answer about the user may. An
 * unknown `invalid_grant` requires a fresh sign-in.
 */

interface Outcome {
  guidance: GuidanceKey
  effect: SessionEffect
  concerns?: Concern
}

/** An error answer of Microsoft, from the token endpoint's JSON or a callback's query. */
interface MicrosoftAnswer {
  error?: string | undefined
  suberror?: string | undefined
  /** A claims challenge as JSON. */
  claims?: string | undefined
  codes: readonly number[]
}

/** Outcomes by AADSTS number. */
const BY_CODE: readonly (readonly [codes: readonly number[], outcome: Outcome])[] = [
  [[50173], { guidance: 'sign_in_again', effect: 'subject', concerns: 'account' }],
  [[50057], { guidance: 'account_disabled', effect: 'subject', concerns: 'account' }],
  [
    [50034, 51004, 50020, 16000],
    { guidance: 'another_account', effect: 'session', concerns: 'account' },
  ],
  [[700082, 70008, 50055, 50144], { guidance: 'sign_in_again', effect: 'mark' }],
  [[70043], { guidance: 'sign_in_again', effect: 'mark' }],
  [[50076, 50074, 50078, 50158], { guidance: 'step_up', effect: 'mark', concerns: 'address' }],
  [[50072, 50079], { guidance: 'enrol_mfa', effect: 'mark', concerns: 'address' }],
  // Microsoft gives this number to a locked account and to a malicious address alike.
  [[50053], { guidance: 'locked', effect: 'mark', concerns: 'address' }],
  [
    [53000, 53001, 53002, 53003, 53004, 53010, 53011, 530032, 530034, 530035],
    { guidance: 'blocked_by_policy', effect: 'nothing', concerns: 'address' },
  ],
  [[50105], { guidance: 'not_assigned', effect: 'session', concerns: 'assignment' }],
  [[65001], { guidance: 'consent', effect: 'nothing' }],
  [[65004], { guidance: 'declined', effect: 'nothing' }],
  [[90094, 90095], { guidance: 'admin_consent', effect: 'nothing' }],
  [[50011], { guidance: 'redirect_mismatch', effect: 'nothing' }],
  [[700016, 7000112, 7000229, 90002], { guidance: 'app_missing', effect: 'nothing' }],
  [[7000215, 7000222, 700027], { guidance: 'credential', effect: 'nothing' }],
  [[50196], { guidance: 'loop', effect: 'nothing' }],
  [[90033], { guidance: 'outage', effect: 'nothing' }],
]

const OUTCOMES: ReadonlyMap<number, Outcome> = new Map(
  BY_CODE.flatMap(([codes, outcome]) => codes.map((code) => [code, outcome] as const)),
)

/** Outcomes without a known number: `suberror` is used before `error`. */
const BY_SUBERROR: Readonly<Record<string, Outcome>> = {
  token_expired: { guidance: 'sign_in_again', effect: 'mark' },
  user_password_expired: { guidance: 'sign_in_again', effect: 'mark' },
  consent_required: { guidance: 'consent', effect: 'nothing' },
  cancel: { guidance: 'declined', effect: 'nothing' },
  // A message of the organization's policies, on which the user cannot act.
  message_only: { guidance: 'blocked_by_policy', effect: 'nothing', concerns: 'address' },
}
const BY_ERROR: Readonly<Record<string, Outcome>> = {
  temporarily_unavailable: { guidance: 'outage', effect: 'nothing' },
  server_error: { guidance: 'outage', effect: 'nothing' },
  invalid_client: { guidance: 'credential', effect: 'nothing' },
  unauthorized_client: { guidance: 'app_missing', effect: 'nothing' },
  access_denied: { guidance: 'declined', effect: 'nothing' },
  consent_required: { guidance: 'consent', effect: 'nothing' },
  interaction_required: { guidance: 'step_up', effect: 'mark', concerns: 'address' },
  login_required: { guidance: 'sign_in_again', effect: 'mark' },
  // A number that is not in the table may be one of a policy.
  invalid_grant: { guidance: 'sign_in_again', effect: 'mark', concerns: 'address' },
}
const CHALLENGED: Outcome = { guidance: 'step_up', effect: 'mark', concerns: 'address' }
const UNKNOWN: Outcome = { guidance: 'unknown', effect: 'nothing' }

/** Returns every number of the table, for the documentation and its test. */
export const knownCodes = (): number[] => [...OUTCOMES.keys()]

export function outcomeOf(answer: MicrosoftAnswer): Outcome & { code: number | undefined } {
  // An answer about the account counts, whatever a policy adds to it.
  const known =
    answer.codes.find((code) => OUTCOMES.get(code)?.concerns === 'account') ??
    answer.codes.find((code) => OUTCOMES.has(code))
  const code = known ?? answer.codes[0]
  const byNumber = known === undefined ? undefined : OUTCOMES.get(known)
  const bySuberror = own(BY_SUBERROR, answer.suberror)
  const challenged = answer.claims === undefined ? undefined : CHALLENGED
  return {
    ...(byNumber ?? bySuberror ?? challenged ?? own(BY_ERROR, answer.error) ?? UNKNOWN),
    code,
  }
}

/**
 * Returns the table's own entry. A plain lookup would also find inherited members, and the key may
 * come from an attacker.
 */
const own = (
  table: Readonly<Record<string, Outcome>>,
  key: string | undefined,
): Outcome | undefined => (key !== undefined && Object.hasOwn(table, key) ? table[key] : undefined)

export function rejectionOf(answer: MicrosoftAnswer, cause?: unknown): MicrosoftRejection {
  const { guidance, effect, concerns, code } = outcomeOf(answer)
  return new MicrosoftRejection(guidance, { code, effect, concerns, claims: answer.claims, cause })
}

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined
const inWords = (description: string | undefined): number[] =>
  [...(description ?? '').slice(0, 4000).matchAll(/AADSTS(\d{4,8})/g)].map((match) =>
    Number(match[1]),
  )

/** Reads the JSON error of the token endpoint. */
export const answerOfBody = (body: Readonly<Record<string, unknown>>): MicrosoftAnswer => ({
  error: text(body.error),
  suberror: text(body.suberror),
  claims: text(body.claims),
  codes: Array.isArray(body.error_codes)
    ? body.error_codes.map(Number).filter(Number.isSafeInteger)
    : inWords(text(body.error_description)),
})

/**
 * Reads the query of a callback. Any site can make such an address, so its claims challenge is
 * ignored.
 */
export const answerOfCallback = (params: ReadonlyMap<string, string>): MicrosoftAnswer => ({
  error: params.get('error'),
  suberror: params.get('suberror') ?? params.get('error_subcode'),
  codes: inWords(params.get('error_description')),
})
