import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'
import { configurationPage } from '../../src/config/page.ts'
import { variablesOf } from '../../src/config/read.ts'
import { settingsOf } from '../../src/config/setting.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { unknownSettings } from '../../src/config/unknown.ts'
import { WORK_NAMES } from '../../src/protocol/work.ts'
import { LANGUAGES } from '../rig.ts'

const SECRET = '8f1d4c0b2a6e97f35d80c1b4e29a7f6630d5c8b1a4e7920f6b3d8c5e1f0a2b4c'
const LEAST = { BROKER_ISSUER: 'https://login.case-manager.example', BROKER_SECRET: SECRET }

function problems(env: Record<string, string>): string[] {
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map((problem) => problem.name)
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
      entra: {
        tenants: [],
        clientId: undefined,
        credential: undefined,
        authority: 'https://login.microsoftonline.com',
        simulated: false,
      },
      mfaProof: { kind: 'auth_context', id: 'c1' },
      mfaProofAsserted: false,
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
    expect(() => loadConfig(env)).toThrow(
      /BROKER_LISTEN: must be host:port[\s\S]*for example: BROKER_LISTEN=/,
    )
    expect(() => loadConfig(env)).not.toThrow(/too-short/)
  })

  test('the languages are English and those of the files, in their order; the default is one of them', () => {
    const languagesOf = (env: Record<string, string>) =>
      loadConfig({ ...LEAST, ...env }).look.languages.map(({ language }) => language)
    expect([languagesOf({}), languagesOf(LANGUAGES)]).toEqual([
      ['en'],
      ['en', 'de', 'fr', 'es', 'ar'],
    ])
    expect(loadConfig({ ...LEAST, ...LANGUAGES, BROKER_LANGUAGE: 'ar' }).look.language).toBe('ar')
    expect(() => loadConfig({ ...LEAST, BROKER_LANGUAGE: 'de' })).toThrow(
      'BROKER_LANGUAGE: is not a language of this broker, which has en: BROKER_TRANSLATION_FILES adds others',
    )
  })

  test('each problem of each file of a language is reported with the others', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-config-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = (name: string, content: object): string => {
      writeFileSync(join(dir, name), JSON.stringify(content))
      return join(dir, name)
    }
    const dutch = {
      language: 'nl',
      name: 'Nederlands',
      direction: 'ltr',
      locale: 'nl-NL',
      reviewed: true,
      texts: {},
    }
    const files = [
      file('nl.json', dutch),
      file('again.json', dutch),
      file('pl.json', {
        ...dutch,
        language: 'pl',
        direction: 'up',
        texts: { home: { title: '{apps}' } },
      }),
      join(dir, 'none.json'),
    ]
    expect(
      problems({ ...LEAST, BROKER_TRANSLATION_FILES: files.join(','), BROKER_LISTEN: 'nowhere' }),
    ).toEqual([
      'BROKER_LISTEN',
      'BROKER_TRANSLATION_FILES',
      'BROKER_TRANSLATION_FILES',
      'BROKER_TRANSLATION_FILES',
      'BROKER_TRANSLATION_FILES',
    ])
    const report = () => loadConfig({ ...LEAST, BROKER_TRANSLATION_FILES: files.join(',') })
    for (const words of [
      `names ${files[1]}, which is a second file of the language nl`,
      `names ${files[2]}: direction must be ltr or rtl`,
      `names ${files[2]}: texts.home.title has the placeholder {apps}. The English text has none`,
      `names ${files[3]}, which cannot be read: ENOENT\n      for example: BROKER_TRANSLATION_FILES=languages/de.json,languages/fr.json`,
    ])
      expect(report).toThrow(words)
  })

  test('a proof of MFA is asserted by setting it, even to its default, and not by an empty variable', () => {
    const asserted = (value: string) =>
      loadConfig({ ...LEAST, BROKER_MFA_PROOF: value }).mfaProofAsserted
    expect([asserted('auth_context:c1'), asserted('amr'), asserted('')]).toEqual([
      true,
      true,
      false,
    ])
  })

  test('without any setting, the error names the required ones', () => {
    expect(problems({})).toEqual(['BROKER_ISSUER', 'BROKER_SECRET'])
  })

  test('an authority that is not Microsoft’s needs BROKER_ENTRA_SIMULATED=yes, and the other way round', () => {
    expect(problems({ ...LEAST, BROKER_ENTRA_AUTHORITY: 'http://localhost:7402' })).toEqual([
      'BROKER_ENTRA_AUTHORITY',
    ])
    expect(problems({ ...LEAST, BROKER_ENTRA_SIMULATED: 'yes' })).toEqual([
      'BROKER_ENTRA_SIMULATED',
    ])
    expect(
      problems({
        ...LEAST,
        BROKER_ENTRA_SIMULATED: 'yes',
        BROKER_ENTRA_AUTHORITY: 'http://entra.example',
      }),
    ).toEqual(['BROKER_ENTRA_AUTHORITY'])
    expect(
      problems({
        ...LEAST,
        BROKER_ENTRA_SIMULATED: 'yes',
        BROKER_ENTRA_AUTHORITY: 'http://localhost:7402',
      }),
    ).toEqual([])
  })

  test('the authentication context of a fresh sign-in is one for every tenant, or one for each that is named; anything else is rejected', () => {
    const read = (value: string) =>
      loadConfig({ ...LEAST, BROKER_FRESH_CONTEXT: value }).freshContext
    const [first, second] = [
      '11111111-2222-4333-8444-55555555555a',
      '99999999-2222-4333-8444-555555555555',
    ]
    expect([loadConfig(LEAST).freshContext, read('none')]).toEqual([
      { byTenant: {} },
      { byTenant: {} },
    ])
    expect(read('c25')).toEqual({ all: 'c25' })
    expect(read(`${first.toUpperCase()}=c2, ${second}=c3`)).toEqual({
      byTenant: { [first]: 'c2', [second]: 'c3' },
    })
    for (const value of [
      'c0',
      'c26',
      'C2',
      'auth_context:c2',
      first,
      `${first}=c26`,
      `${first}=c2,`,
      `${first}=c2,${first}=c3`,
      `c2,${first}=c3`,
      'none,c2',
    ])
      expect([value, problems({ ...LEAST, BROKER_FRESH_CONTEXT: value })]).toEqual([
        value,
        ['BROKER_FRESH_CONTEXT'],
      ])
  })

  test('personal accounts’ tenant is rejected, whatever its case', () => {
    expect(
      problems({ ...LEAST, BROKER_ENTRA_TENANT: '9188040D-6C67-4C5B-B112-36A304B66DAD' }),
    ).toEqual(['BROKER_ENTRA_TENANT'])
  })

  test('two credentials for Entra are rejected', () => {
    expect(
      problems({
        ...LEAST,
        BROKER_ENTRA_CLIENT_SECRET: 's',
        BROKER_ENTRA_CERTIFICATE_FILE: '/etc/entra.pem',
      }),
    ).toEqual(['BROKER_ENTRA_CLIENT_SECRET'])
  })

  test('a value may come from a file; file and value together, or a missing file, are reported', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-config-'))
    onTestFinished(() => rmSync(dir, { recursive: true }))
    const file = join(dir, 'secret')
    writeFileSync(file, `${SECRET}\n`)
    expect(
      loadConfig({
        BROKER_ISSUER: LEAST.BROKER_ISSUER,
        BROKER_SECRET_FILE: file,
      }).secrets[0]?.toString('hex'),
    ).toBe(SECRET)
    expect(problems({ ...LEAST, BROKER_SECRET_FILE: file })).toEqual(['BROKER_SECRET'])
    expect(
      problems({ BROKER_ISSUER: LEAST.BROKER_ISSUER, BROKER_SECRET_FILE: join(dir, 'no') })[0],
    ).toBe('BROKER_SECRET_FILE')
  })

  test('a comma list of secrets rotates them; a value with no randomness in it is rejected', () => {
    expect(
      loadConfig({ ...LEAST, BROKER_SECRET: `${SECRET},${SECRET.replaceAll('8', '9')}` }).secrets,
    ).toHaveLength(2)
    expect(problems({ ...LEAST, BROKER_SECRET: 'a'.repeat(64) })).toEqual(['BROKER_SECRET'])
  })

  test('a rule between two settings does not hide what is wrong with a third', () => {
    expect(
      problems({
        ...LEAST,
        BROKER_ENTRA_SIMULATED: 'perhaps',
        BROKER_ENTRA_AUTHORITY: 'entra',
        BROKER_SESSION_IDLE_SECONDS: '1',
      }),
    ).toEqual(['BROKER_ENTRA_AUTHORITY', 'BROKER_ENTRA_SIMULATED', 'BROKER_SESSION_IDLE_SECONDS'])
  })

  test('a store of another kind than Postgres is rejected, and its address is not repeated', () => {
    expect(() => loadConfig({ ...LEAST, BROKER_DATABASE_URL: 'mysql://user:secret@x' })).toThrow(
      /^(?!.*secret)[\s\S]*BROKER_DATABASE_URL[\s\S]*postgres:\/\//,
    )
    expect(
      loadConfig({ ...LEAST, BROKER_DATABASE_URL: 'postgres://x/broker' }).databaseStandby,
    ).toBe('none')
  })
})

describe('the table of settings', () => {
  const all = [...settingsOf(SETTINGS)]
  const accepts = (text: string, name: string): boolean =>
    all.find((setting) => setting.name === name)?.schema.safeParse(text).success ?? false

  test('names every setting once', () => {
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length)
  })

  test('has a default and an example for each that its own schema accepts', () => {
    const shell = new Map([['"$(openssl rand -hex 32)"', SECRET]])
    const wrong = all.flatMap(({ name, default: text, example }) =>
      [text, example === '' ? undefined : (shell.get(example) ?? example)].filter(
        (value) => value !== undefined && !accepts(value, name),
      ),
    )
    expect(wrong).toEqual([])
  })

  test('is docs/configuration.md: run npm run docs:settings', () => {
    expect(readFileSync(join(import.meta.dirname, '../../docs/configuration.md'), 'utf8')).toBe(
      configurationPage(),
    )
  })
})

describe('background work', () => {
  const shared = {
    ...LEAST,
    BROKER_DATABASE_URL: 'postgres://db/broker',
    BROKER_QUEUE_URL: 'redis://queue',
  }
  const messages = (env: Record<string, string>, kind: 'broker' | 'worker' = 'broker'): string => {
    try {
      loadConfig(env, kind)
    } catch (error) {
      return (error as Error).message
    }
    return ''
  }

  test('a broker does all of it, or what BROKER_WORK names', () => {
    expect(loadConfig(LEAST).work).toEqual(WORK_NAMES)
    const does = (value: string) => loadConfig({ ...shared, BROKER_WORK: value }).work
    expect([does('none'), does('keys, deliveries'), does('all')]).toEqual([
      [],
      ['deliveries', 'keys'],
      WORK_NAMES,
    ])
  })

  test('an unknown kind is named, with the known ones', () => {
    expect(messages({ ...shared, BROKER_WORK: 'deliveries,dreams' })).toMatch(
      /BROKER_WORK: must be all, none, or a comma list of deliveries, [^]*"dreams"/,
    )
  })

  test('leaving some to other processes, or doing it apart, needs a database and a queue server that all of them share', () => {
    for (const wrong of [messages({ ...LEAST, BROKER_WORK: 'none' }), messages(LEAST, 'worker')])
      expect(wrong).toMatch(/BROKER_DATABASE_URL: is needed[^]*BROKER_QUEUE_URL: is needed/)
    expect([messages({ ...shared, BROKER_WORK: 'none' }), messages(shared, 'worker')]).toEqual([
      '',
      '',
    ])
  })

  test('a worker without work does not start', () => {
    expect(messages({ ...shared, BROKER_WORK: 'none' }, 'worker')).toMatch(/BROKER_WORK: is none/)
  })
})

describe('a BROKER_ variable that the broker does not read', () => {
  const warned = (env: Record<string, string>) => loadConfig({ ...LEAST, ...env }).warnings

  test('is reported with the nearest name, and the broker starts', () => {
    expect(warned({ BROKER_MFA_PROF: 'amr', BROKER_SESSION_IDLE_SECOND: '60' })).toEqual([
      {
        name: 'BROKER_MFA_PROF',
        problem: expect.stringContaining('BROKER_MFA_PROOF'),
        example: 'BROKER_MFA_PROOF',
      },
      {
        name: 'BROKER_SESSION_IDLE_SECOND',
        problem: expect.any(String),
        example: 'BROKER_SESSION_IDLE_SECONDS',
      },
    ])
  })

  test('one letter left out, doubled or mistaken: the nearest name is the right one, of every setting', () => {
    const known = [...variablesOf(SETTINGS)].filter((name) => name.startsWith('BROKER_'))
    for (const name of known) {
      for (let at = 'BROKER_'.length; at < name.length; at++) {
        const slips = [
          `${name.slice(0, at)}${name.slice(at + 1)}`,
          `${name.slice(0, at)}${name.slice(at - 1)}`,
          `${name.slice(0, at)}#${name.slice(at + 1)}`,
        ]
        for (const slip of slips.filter((candidate) => !known.includes(candidate)))
          expect([slip, unknownSettings({ [slip]: 'x' })[0]?.example]).toEqual([slip, name])
      }
    }
  })

  test('what Kubernetes sets beside a Service named "broker" is none of them', () => {
    expect(
      warned({
        BROKER_SERVICE_HOST: '10.0.0.1',
        BROKER_SERVICE_PORT: '7400',
        BROKER_SERVICE_PORT_OPS: '7401',
        BROKER_PORT: 'tcp://10.0.0.1:7400',
        BROKER_PORT_7400_TCP: 'tcp://10.0.0.1:7400',
        BROKER_PORT_7400_TCP_ADDR: '10.0.0.1',
        BROKER_OPS_SERVICE_HOST: '10.0.0.2',
      }),
    ).toEqual([])
  })
})
