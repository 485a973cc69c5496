import { describe, expect, test } from 'vitest'
import { CookieJar } from './cookie-jar.ts'

const AT = 'https://broker.example/signin/callback'
const [NOW_MS, HOUR] = [1_795_510_800_000, 3_600_000]

function jar(...lines: string[]) {
  const clock = { nowMs: NOW_MS }
  const cookies = new CookieJar(() => clock.nowMs)
  for (const line of lines) cookies.keep(AT, line)
  return { cookies, clock }
}

describe('the cookie jar of the tests’ browser (RFC 6265)', () => {
  test.each([
    [
      'without Domain to its host alone',
      'a=1; Path=/',
      ['https://broker.example/', 'https://broker.example:8443/'],
      ['https://x.broker.example/'],
    ],
    [
      'with Domain to hosts below it',
      'a=1; Path=/; Domain=.broker.example',
      ['https://x.broker.example/'],
      ['https://xbroker.example/'],
    ],
    [
      'with Path to that folder',
      'a=1; Path=/signin',
      ['https://broker.example/signin/x?y'],
      ['https://broker.example/signing', 'https://broker.example/'],
    ],
    [
      'without Path to the folder that set it',
      'a=1',
      ['https://broker.example/signin/other'],
      ['https://broker.example/signin2', 'https://broker.example/'],
    ],
    [
      'with Secure over TLS alone',
      'a=1; Path=/; Secure',
      ['https://broker.example/'],
      ['http://broker.example/'],
    ],
  ])('%s', (_name, line, there, elsewhere) => {
    const { cookies } = jar(line)
    expect(there.map((address) => cookies.header(address))).toEqual(there.map(() => 'a=1'))
    expect(elsewhere.map((address) => cookies.header(address))).toEqual(elsewhere.map(() => ''))
  })

  test.each([
    ['Max-Age', 'Max-Age=3600'],
    ['Expires', `Expires=${new Date(NOW_MS + HOUR).toUTCString()}`],
    ['Max-Age before Expires', 'Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:00 GMT'],
  ])('%s ends a cookie in its time', (_name, attribute) => {
    const { cookies, clock } = jar(`a=1; ${attribute}`)
    clock.nowMs += HOUR - 1
    expect(cookies.header(AT)).toBe('a=1')
    clock.nowMs += 1
    expect([cookies.header(AT), cookies.has('a'), [...cookies]]).toEqual(['', false, []])
  })

  test.each(['Max-Age=0', 'Max-Age=-1', 'Expires=Thu, 01 Jan 1970 00:00:00 GMT'])(
    '%s deletes the cookie of that name, host and path, and no other',
    (gone) => {
      const { cookies } = jar(
        'a=root; Path=/',
        'a=deep; Path=/signin',
        `a=; Path=/signin; ${gone}`,
        `a=; Path=/other; ${gone}`,
      )
      expect(cookies.header(AT)).toBe('a=root')
      cookies.keep('https://other.example/', `a=; Path=/; ${gone}`)
      expect(cookies.header(AT)).toBe('a=root')
      cookies.keep(AT, `a=; Path=/; ${gone}`)
      expect(cookies.header(AT)).toBe('')
    },
  )

  test('an empty value is a value, the longer path goes first, and the same cookie is replaced', () => {
    expect(jar('a=', 'b=1; Path=/', 'c=x=y; Path=/signin', 'b=2; Path=/').cookies.header(AT)).toBe(
      'a=; c=x=y; b=2',
    )
  })

  test.each([
    ['of another domain', 'a=1; Domain=other.example'],
    ['__Host- with Domain', '__Host-a=1; Secure; Path=/; Domain=broker.example'],
    ['__Host- without Path=/', '__Host-a=1; Secure'],
    ['__Host- without Secure', '__Host-a=1; Path=/'],
    ['__Secure- without Secure', '__Secure-a=1'],
  ])('a cookie %s is not kept', (_name, line) => {
    expect([...jar(line).cookies]).toEqual([])
  })

  test('Secure is kept over plain HTTP from this machine, and from no other', () => {
    const { cookies } = jar()
    cookies.keep('http://localhost:7400/', '__Host-a=1; Path=/; Secure')
    cookies.keep('http://broker.example/', 'b=1; Path=/; Secure')
    expect([...cookies].map(({ name }) => name)).toEqual(['__Host-a'])
    expect(cookies.header('http://localhost:7401/ops')).toBe('__Host-a=1')
  })

  test('a POST from another site carries only what SameSite=None lets through', () => {
    const { cookies } = jar('lax=1; SameSite=Lax', 'plain=1', 'none=1; SameSite=None; Secure')
    expect([cookies.header(AT), cookies.header(AT, true)]).toEqual([
      'lax=1; plain=1; none=1',
      'none=1',
    ])
  })
})
