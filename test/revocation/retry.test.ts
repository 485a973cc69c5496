import { describe, expect, test } from 'vitest'
import { classifyResponse, MAX_ATTEMPTS, retryDelayMs } from '../../src/outbox/attempt.ts'

const NOW = 1_795_510_800
const judge = (status: number, body = '', headers: Record<string, string> = {}) =>
  classifyResponse({ status, body, headers }, NOW)

describe('what an answer means (Back-Channel Logout 1.0 §2.8)', () => {
  test.each([200, 201, 202, 204, 299])('%i is delivered', (status) =>
    expect(judge(status).outcome).toBe('delivered'),
  )

  test('400 with error=invalid_request is a rejection', () => {
    expect(judge(400, '{"error":"invalid_request","error_description":"no such session"}')).toEqual(
      {
        outcome: 'rejected',
        code: 'HTTP 400 invalid_request',
        error: 'HTTP 400 invalid_request: no such session',
      },
    )
  })

  test('the description of a rejection is kept for operators, bounded, in plain characters, without a token that was sent back', () => {
    const described = (description: unknown) =>
      judge(400, JSON.stringify({ error: 'invalid_request', error_description: description }))
    expect(
      described('bad\u0000 iss eyJhbGciOiJSUzI1NiJ9.eyJzaWQiOiJzXzEifQ.c2lnbmF0dXJl ü'),
    ).toMatchObject({
      error: 'HTTP 400 invalid_request: bad  iss [token]',
    })
    expect((described('x'.repeat(5_000)) as { error: string }).error).toHaveLength(226)
    expect(described({ not: 'text' })).toMatchObject({ error: 'HTTP 400 invalid_request' })
  })

  test.each([
    '',
    'Bad Request',
    '{"error":"invalid_token"}',
    '{"error":["invalid_request"]}',
    '[]',
    'null',
    '{"error":"invalid_request"',
    '<html>invalid_request</html>',
  ])('400 with %j is retried: receivers answer so to any failure', (body) =>
    expect(judge(400, body).outcome).toBe('retry'),
  )

  test.each([301, 302, 307, 401, 403, 404, 405, 408, 410, 413, 429, 500, 502, 503, 504, 599])(
    '%i is retried',
    (status) => {
      expect(judge(status, '{"error":"invalid_request"}')).toMatchObject({
        outcome: 'retry',
        error: `HTTP ${status}`,
      })
    },
  )

  test.each([
    ['7', 7],
    [' 7 ', 7],
    [new Date((NOW + 90) * 1000).toUTCString(), 90],
    ['999999', 86_400],
    ['0', undefined],
    ['-5', undefined],
    [new Date((NOW - 90) * 1000).toUTCString(), undefined],
    ['soon', undefined],
    [undefined, undefined],
  ])('Retry-After %j is %j seconds (RFC 9110 §10.2.3), a day at most', (value, seconds) => {
    expect(judge(503, '', value === undefined ? {} : { 'retry-after': value })).toMatchObject({
      retryAfterSeconds: seconds,
    })
  })
})

describe('when to try again', () => {
  test('quick first, then rarer, for about a day and a half; then never', () => {
    const seconds = Array.from({ length: MAX_ATTEMPTS }, (_, i) =>
      retryDelayMs(i + 1, undefined, 0.5),
    ).map((ms) => (ms === undefined ? undefined : ms / 1000))
    expect(seconds).toEqual([0.5, 1, 2, 4, 8, 15, 30, 120, 600, 3_600, 21_600, 86_400, undefined])
  })

  test('a quarter earlier or later, so that a recovered instance is not met by all at once', () => {
    expect(retryDelayMs(7, undefined, 0)).toBe(22_500)
    expect(retryDelayMs(7, undefined, 0.999_999)).toBe(37_500)
  })

  test('never before what Retry-After asks for, and never so late as to skip the schedule', () => {
    expect(retryDelayMs(1, 60, 0.5)).toBe(60_000)
    expect(retryDelayMs(10, 60, 0.5)).toBe(3_600_000)
    expect(retryDelayMs(MAX_ATTEMPTS, 60, 0.5)).toBeUndefined()
  })
})
