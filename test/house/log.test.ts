import { describe, expect, test } from 'vitest'
import { createLog } from '../../src/runtime/log.ts'

/** The second fence: what looks like a secret is cut out of a line, whatever brought it there. */
const lineOf = (write: (log: ReturnType<typeof createLog>) => void): string => {
  const lines: string[] = []
  write(
    createLog(
      (line) => lines.push(line),
      () => 0,
    ),
  )
  return lines.join('\n')
}

const JWT = `eyJ${'a'.repeat(20)}.${'b'.repeat(40)}.${'c'.repeat(40)}`
const SECRETS: [what: string, text: string, secret: string][] = [
  ['a token of ours', `it had ${JWT} in it`, 'bbbbbbbb'],
  ['a refresh token', `cmr_${'r'.repeat(75)}`, 'rrrrrrrr'],
  ['a client secret', `cms_${'s'.repeat(43)}`, 'ssssssss'],
  ['a code in an address', 'https://a.example/cb?code=very-secret-code&x=1', 'very-secret'],
  ['a cookie', `__Host-cmb_session=${'k'.repeat(43)}; other=1`, 'kkkkkkkk'],
  ['an Authorization header', 'Basic c3lkbmV5OmFwcmlsLXNlY3JldC1vZi1zeWRuZXk=', 'c3lkbmV5'],
  [
    'a password in an address',
    'cannot reach rediss://broker:hunter22hunter@queue.example:6380',
    'hunter22',
  ],
]

describe('a log line', () => {
  test.each(SECRETS)('holds no %s: in a field, in a list, in a cause', (_what, text, secret) => {
    for (const line of [
      lineOf((log) => log.info('event', { text })),
      lineOf((log) => log.warn('event', { problems: ['fine', text] })),
      lineOf((log) => log.error('event', { cause: new Error(text, { cause: new Error(text) }) })),
    ]) {
      expect(line).toContain('[removed]')
      expect(line).not.toContain(secret)
    }
  })

  test('keeps ids, names and addresses, and is one line whatever a name holds', () => {
    const line = lineOf((log) =>
      log.info('event', {
        sid: 's_MTIzNDU2Nzg5MDEyMzQ1Ng',
        uri: 'https://a.example:8443/x',
        name: 'a\n{"level":"error"}',
      }),
    )
    expect(line.split('\n')).toHaveLength(1)
    expect(JSON.parse(line)).toMatchObject({
      sid: 's_MTIzNDU2Nzg5MDEyMzQ1Ng',
      uri: 'https://a.example:8443/x',
      level: 'info',
    })
  })
})
