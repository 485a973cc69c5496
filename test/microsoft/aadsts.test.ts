import { describe, expect, test } from 'vitest'
import {
  answerOfBody,
  answerOfCallback,
  knownCodes,
  outcomeOf,
  rejectionOf,
} from '../../src/microsoft/aadsts.ts'
import { guidanceFor, guidanceKey } from '../../src/microsoft/guidance.ts'
import { ENGLISH } from '../../src/pages/texts.ts'
import { MicrosoftRejection } from '../../src/microsoft/interface.ts'

const TABLE: [codes: number[], effect: string, guidance: string, concerns?: string][] = [
  [[50173], 'subject', 'sign_in_again', 'account'],
  [[50057], 'subject', 'account_disabled', 'account'],
  [[50034, 51004, 50020, 16000], 'session', 'another_account', 'account'],
  [[700082, 70008, 50055, 50144], 'mark', 'sign_in_again'],
  [[70043], 'mark', 'sign_in_again'],
  [[50076, 50074, 50078, 50158], 'mark', 'step_up', 'address'],
  [[50072, 50079], 'mark', 'enrol_mfa', 'address'],
  [[50053], 'mark', 'locked', 'address'],
  [
    [53000, 53001, 53002, 53003, 53004, 53010, 53011, 530032, 530034, 530035],
    'nothing',
    'blocked_by_policy',
    'address',
  ],
  [[50105], 'session', 'not_assigned', 'assignment'],
  [[65001], 'nothing', 'consent'],
  [[65004], 'nothing', 'declined'],
  [[90094, 90095], 'nothing', 'admin_consent'],
  [[50011], 'nothing', 'redirect_mismatch'],
  [[700016, 7000112, 7000229, 90002], 'nothing', 'app_missing'],
  [[7000215, 7000222, 700027], 'nothing', 'credential'],
  [[50196], 'nothing', 'loop'],
  [[90033], 'nothing', 'outage'],
]

describe('what Microsoft’s rejections mean', () => {
  test('message_only without a known number is a policy, and ends nothing', () => {
    const answer = answerOfBody({
      error: 'invalid_grant',
      suberror: 'message_only',
      error_codes: [999_999],
    })
    expect(outcomeOf(answer)).toMatchObject({ effect: 'nothing', guidance: 'blocked_by_policy' })
  })

  test.each(TABLE)('%j ends %s and reads as %s', (codes, effect, guidance, concerns) => {
    for (const code of codes) {
      expect(outcomeOf(answerOfBody({ error: 'invalid_grant', error_codes: [code] }))).toEqual({
        effect,
        guidance,
        concerns,
        code,
      })
      expect(
        outcomeOf(
          answerOfCallback(
            new Map([
              ['error', 'access_denied'],
              ['error_description', `AADSTS${code}: words. Trace ID: x`],
            ]),
          ),
        ),
      ).toEqual({ effect, guidance, concerns, code })
    }
  })

  test('the table has no other numbers', () => {
    expect(knownCodes().sort()).toEqual(TABLE.flatMap(([codes]) => codes).sort())
  })

  test('an unknown invalid_grant marks the session: it neither ends it nor is ignored', () => {
    expect(
      outcomeOf(answerOfBody({ error: 'invalid_grant', error_codes: [999_999] })),
    ).toMatchObject({ effect: 'mark', code: 999_999 })
  })

  test('our own credential, policies on where we call from, and outages never end a session', () => {
    for (const error of [
      'invalid_client',
      'temporarily_unavailable',
      'server_error',
      'unauthorized_client',
      'no such error',
    ])
      expect(outcomeOf(answerOfBody({ error })).effect).toBe('nothing')
    expect(
      outcomeOf(
        answerOfBody({
          error: 'invalid_grant',
          suberror: 'message_only',
          error_codes: [53003],
          claims: '{}',
        }),
      ),
    ).toMatchObject({
      effect: 'nothing',
      concerns: 'address',
    })
  })

  test('suberror and a claims challenge tell where no number does', () => {
    expect(
      outcomeOf(answerOfBody({ error: 'invalid_grant', suberror: 'token_expired' })),
    ).toMatchObject({
      guidance: 'sign_in_again',
      effect: 'mark',
    })
    expect(
      outcomeOf(answerOfBody({ error: 'invalid_grant', claims: '{"access_token":{}}' })),
    ).toMatchObject({ guidance: 'step_up', effect: 'mark' })
    expect(
      rejectionOf(answerOfBody({ error: 'invalid_grant', claims: '{"access_token":{}}' })).claims,
    ).toBe('{"access_token":{}}')
  })

  test('of several numbers the one that is known decides, and one about the account before one of a policy', () => {
    for (const others of [[1], [53003], [50076, 1]])
      expect(
        outcomeOf(answerOfBody({ error: 'invalid_grant', error_codes: [...others, 50057] })),
      ).toMatchObject({ guidance: 'account_disabled', code: 50057 })
  })

  test('a tenant that is no longer there is an alert of operators, and ends nothing', () => {
    expect(
      outcomeOf(answerOfBody({ error: 'invalid_request', error_codes: [90002] })),
    ).toMatchObject({ guidance: 'app_missing', effect: 'nothing' })
  })

  test('names of Object.prototype are no rows of the table', () => {
    for (const name of ['constructor', '__proto__', 'toString']) {
      expect(outcomeOf(answerOfBody({ error: name, suberror: name }))).toMatchObject({
        guidance: 'unknown',
        effect: 'nothing',
      })
      expect(guidanceFor(name)).toBe(guidanceFor('unknown'))
    }
  })

  test('an address that an attacker can write brings no claims challenge', () => {
    const answer = answerOfCallback(
      new Map([
        ['error', 'interaction_required'],
        ['claims', '{"x":1}'],
      ]),
    )
    expect(answer.claims).toBeUndefined()
  })
})

describe('what users read', () => {
  test('90094 is in Microsoft’s words and leads to Granting consent', () => {
    const guidance = guidanceFor(rejectionOf({ error: 'access_denied', codes: [90094] }).guidance)
    expect(ENGLISH.guidance.admin_consent.read).toEqual([
      'You need to contact your IT administrator. An extra setup action remains to be done.',
      expect.stringContaining('Your organization has to allow Case Manager once.'),
    ])
    expect(guidance.offers).toContain('granting_consent')
    expect(guidance.alert).toBe(true)
  })

  test('every row has words for the user and for the operator, and no code in them', () => {
    for (const [, , key] of TABLE) {
      const { operator } = guidanceFor(key)
      const { title, read } = ENGLISH.guidance[guidanceKey(key)]
      expect(title && operator && read.length > 0).toBeTruthy()
      expect([title, ...read].join(' ')).not.toMatch(/AADSTS|\d{4,}|token|claim/i)
    }
  })

  test('a policy that blocks leads to no retry', () => {
    expect(guidanceFor('blocked_by_policy').offers).not.toContain('try_again')
  })

  test('a rejection shows its number and ends nothing by itself', () => {
    expect(new MicrosoftRejection('outage', {}).effect).toBe('nothing')
    expect(new MicrosoftRejection('credential', { code: 7000215 }).message).toContain(
      'AADSTS7000215',
    )
  })
})
