import { describe, expect, test } from 'vitest'
import { remoteAddress, addressRanges } from '../../src/runtime/remote-address.ts'

describe('where a request comes from', () => {
  const proxies = addressRanges(['10.0.0.0/8', 'fd00::/8', '127.0.0.1'])

  test.each([
    ['a stranger’s X-Forwarded-For does not count', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a trusted proxy’s does', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    [
      'from the right, past every trusted proxy, and no further',
      '10.1.2.3',
      '192.0.2.66, 198.51.100.1, 10.9.9.9',
      '198.51.100.1',
    ],
    ['what is no address ends the chain', '10.1.2.3', 'unknown', '10.1.2.3'],
    [
      'an IPv4 address in IPv6’s clothes is that address',
      '::ffff:10.1.2.3',
      '[2001:db8::7]',
      '2001:db8::7',
    ],
    ['IPv6 proxies are trusted by range', 'fd00::5', '198.51.100.1', '198.51.100.1'],
  ])('%s', (_what, peer, header, expected) => {
    expect(remoteAddress(peer, header, proxies)).toBe(expected)
  })

  test('no proxy is trusted unless named', () => {
    expect(remoteAddress('127.0.0.1', '198.51.100.1', addressRanges([]))).toBe('127.0.0.1')
  })

  test.each(['10.0.0.0/33', 'proxy.internal', '10.0.0.0/x'])('%s is rejected', (range) => {
    expect(() => addressRanges([range])).toThrow(range)
  })
})
