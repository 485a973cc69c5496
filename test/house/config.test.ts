import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'

const SECRET = '8f1d4c0b2a6e97f35d80c1b4e29a7f6630d5c8b1a4e7920f6b3d8c5e1f0a2b4c'
const LEAST = { BROKER_ISSUER: 'https://login.case-manager.example', BROKER_SECRET: SECRET }

function problems(env: Record<string, string>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((one) => one.name)
    throw error
  }
  return []
}

describe('settings', () => {
  test('issuer and secret are enough; the broker is then not connected, and listens on loopback alone', () => {
    const config = loadConfig(LEAST)
    expect(config).toMatchObject({
      issuer: 'https://login.case-manager.example',
      listen: { host: '127.0.0.1', port: 7400 },
      opsListen: { host: '127.0.0.1', port: 7401 },
      opsOrigin: 'http://localhost:7401',
      entra: { tenants: [], clientId: undefined, credential: undefined, authority: 'https://login.microsoftonline.com', simulated: false },
      mfaProof: { kind: 'auth_context', id: 'c1' },
      allowLoopbackTargets: false,
    })
  })

  test('every problem is reported at once, each with its name and an example, and no value of a secret', () => {
    const env = {
      BROKER_ISSUER: 'http://login.example/path',
      BROKER_SECRET: 'too-short-to-be-good',
      BROKER_LISTEN: 'nowhere',
      BROKER_MFA_PROOF: 'sms',
      BROKER_QUEUE_URL: 'amqp://x',
      BROKER_TRUSTED_PROXIES: 'proxy',
      BROKER_OPS_ORIGIN: 'http://ops.case-manager.example',
      BROKER_ENTRA_TENANT: 'contoso',
    }
    expect(problems(env).toSorted()).toEqual(Object.keys(env).toSorted())
    expect(() => loadConfig(env)).toThrow(/BROKER_LISTEN: has to be host:port[\s\S]*for example: BROKER_LISTEN=/)
    expect(() => loadConfig(env)).not.toThrow(/too-short/)
  })

  test('nothing set names what has to be', () => {
    expect(problems({})).toEqual(['BROKER_ISSUER', 'BROKER_SECRET'])
  })

  test('an authority that is not Microsoft’s needs BROKER_ENTRA_SIMULATED=yes, and the other way round', () => {
    expect(problems({ ...LEAST, BROKER_ENTRA_AUTHORITY: 'http://localhost:7402' })).toEqual(['BROKER_ENTRA_AUTHORITY'])
    expect(problems({ ...LEAST, BROKER_ENTRA_SIMULATED: 'yes' })).toEqual(['BROKER_ENTRA_SIMULATED'])
    expect(problems({ ...LEAST, BROKER_ENTRA_SIMULATED: 'yes', BROKER_ENTRA_AUTHORITY: 'http://entra.example' })).toEqual(['BROKER_ENTRA_AUTHORITY'])
    expect(problems({ ...LEAST, BROKER_ENTRA_SIMULATED: 'yes', BROKER_ENTRA_AUTHORITY: 'http://localhost:7402' })).toEqual([])
  })

  test('personal accounts’ tenant is refused, whatever its case', () => {
    expect(problems({ ...LEAST, BROKER_ENTRA_TENANT: '9188040D-6C67-4C5B-B112-36A304B66DAD' })).toEqual(['BROKER_ENTRA_TENANT'])
  })

  test('one credential of Entra’s, not two', () => {
    expect(problems({ ...LEAST, BROKER_ENTRA_CLIENT_SECRET: 's', BROKER_ENTRA_CERTIFICATE_FILE: '/etc/entra.pem' })).toEqual([
      'BROKER_ENTRA_CLIENT_SECRET',
    ])
  })

  test('a value may come from a file; file and value together, or a file that is not there, are told', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-config-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = join(dir, 'secret')
    writeFileSync(file, `${SECRET}\n`)
    expect(loadConfig({ BROKER_ISSUER: LEAST.BROKER_ISSUER, BROKER_SECRET_FILE: file }).secrets[0]?.toString('hex')).toBe(SECRET)
    expect(problems({ ...LEAST, BROKER_SECRET_FILE: file })).toEqual(['BROKER_SECRET'])
    expect(problems({ BROKER_ISSUER: LEAST.BROKER_ISSUER, BROKER_SECRET_FILE: join(dir, 'no') })[0]).toBe('BROKER_SECRET_FILE')
  })

  test('a comma list of secrets rotates them; a value with no randomness in it is refused', () => {
    expect(loadConfig({ ...LEAST, BROKER_SECRET: `${SECRET},${SECRET.replaceAll('8', '9')}` }).secrets).toHaveLength(2)
    expect(problems({ ...LEAST, BROKER_SECRET: 'a'.repeat(64) })).toEqual(['BROKER_SECRET'])
  })

  test('Postgres as the store is refused in clear words until it is there', () => {
    expect(() => loadConfig({ ...LEAST, BROKER_DATABASE_URL: 'postgres://x' })).toThrow(/not supported yet/)
  })
})
