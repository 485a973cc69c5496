import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError, loadConfig } from '../../src/config/config.ts'

const LEAST = {
  BROKER_ISSUER: 'https://login.case-manager.example',
  BROKER_SECRET: '8f1d4c0b2a6e97f35d80c1b4e29a7f6630d5c8b1a4e7920f6b3d8c5e1f0a2b4c',
}
const TID = '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'

const signals = (env: Record<string, string> = {}) => loadConfig({ ...LEAST, ...env }).signals

function problems(env: Record<string, string>): string[] {
  try {
    signals(env)
  } catch (error) {
    if (error instanceof ConfigError)
      return error.problems.map((problem) => `${problem.name}: ${problem.problem}`)
    throw error
  }
  return []
}

function file(content: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-signals-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(join(dir, 'issuers.yaml'), content)
  return join(dir, 'issuers.yaml')
}

describe('settings of what ends sessions from outside', () => {
  test('the probe is on by itself, everything else only when it is asked for', () => {
    expect(signals()).toEqual({
      probeEverySeconds: 900,
      graph: { tenants: [], origin: 'https://graph.microsoft.com/v1.0' },
      revokeAtMicrosoft: [],
      risk: [],
      issuers: [],
    })
    expect(
      signals({ BROKER_PROBE_MINUTES: '0', BROKER_GRAPH: 'yes', BROKER_REVOKE_AT_MICROSOFT: TID }),
    ).toMatchObject({
      probeEverySeconds: 0,
      graph: { tenants: 'all' },
      revokeAtMicrosoft: [TID],
    })
  })

  test('every problem is said, with the name of the variable', () => {
    const found = problems({
      BROKER_PROBE_MINUTES: 'often',
      BROKER_GRAPH: 'maybe',
      BROKER_GRAPH_ORIGIN: 'https://graph.evil.example/v1.0',
      BROKER_SIGNAL_ISSUERS_FILE: '/nowhere/issuers.yaml',
    }).join('\n')
    for (const name of ['PROBE_MINUTES', 'GRAPH:', 'GRAPH_ORIGIN', 'SIGNAL_ISSUERS_FILE'])
      expect(found).toContain(`BROKER_${name}`)
  })

  test('risk needs Graph for the same tenants', () => {
    expect(problems({ BROKER_MICROSOFT_RISK: 'yes' }).join()).toContain(
      'needs BROKER_GRAPH for the same tenants',
    )
    expect(
      problems({
        BROKER_MICROSOFT_RISK: TID,
        BROKER_GRAPH: '22222222-2222-4222-8222-222222222222',
      }).join(),
    ).toContain('BROKER_MICROSOFT_RISK')
    expect(signals({ BROKER_MICROSOFT_RISK: TID, BROKER_GRAPH: 'yes' })).toMatchObject({
      risk: [TID],
    })
    expect(signals({ BROKER_MICROSOFT_RISK: 'yes', BROKER_GRAPH: TID })).toMatchObject({
      risk: 'all',
    })
  })

  test('issuers of security events: the audience is our issuer unless given; an upstream provider needs its own', () => {
    const issuer =
      'issuer: https://signals.example\n    jwks_uri: https://signals.example/jwks\n    subject: tid_oid'
    expect(
      signals({ BROKER_SIGNAL_ISSUERS_FILE: file(`issuers:\n  - ${issuer}\n`) }).issuers,
    ).toEqual([
      {
        issuer: 'https://signals.example',
        kind: 'secevent',
        jwksUri: 'https://signals.example/jwks',
        audience: 'https://login.case-manager.example',
        subject: 'tid_oid',
        tenants: undefined,
      },
    ])
    const bad = (content: string) =>
      problems({ BROKER_SIGNAL_ISSUERS_FILE: file(content) }).join('\n')
    expect(bad(`issuers:\n  - ${issuer}\n    kind: oidc\n`)).toContain('audience is missing')
    expect(bad(`issuers:\n  - ${issuer.replaceAll('https', 'http')}\n`)).toContain('must be https')
    expect(bad(`issuers:\n  - ${issuer}\n    tenants: [contoso]\n`)).toContain(
      'must be a tenant id',
    )
    expect(bad('issuers: [')).toContain('is not valid YAML')
  })

  const STREAM = `issuers:
  - issuer: https://signals.example/tenant
    jwks_uri: https://signals.example/jwks
    subject: opaque
    stream:
      delivery: poll
`
  const client = '      client_id: broker\n      token_endpoint: https://signals.example/token\n'
  const streamProblems = (more: string) =>
    problems({ BROKER_SIGNAL_ISSUERS_FILE: file(STREAM + more) }).join('\n')

  test('a stream at a transmitter: its configuration is at the well-known address (SSF 1.0 §7.2), it is watched, and secrets come from files', () => {
    const content = `${STREAM}${client}      client_secret_file: ${file('a-secret\n')}\n`
    const [issuer] = signals({ BROKER_SIGNAL_ISSUERS_FILE: file(content) }).issuers
    expect(issuer).toMatchObject({
      maxSilenceSeconds: 3600,
      stream: {
        delivery: 'poll',
        configurationUri: 'https://signals.example/.well-known/ssf-configuration/tenant',
        authorization: {
          kind: 'client',
          tokenEndpoint: 'https://signals.example/token',
          clientId: 'broker',
          secret: 'a-secret',
        },
      },
    })
    const [byToken] = signals({
      BROKER_SIGNAL_ISSUERS_FILE: file(`${STREAM}      token_file: ${file('a-token')}\n`),
    }).issuers
    expect(byToken?.stream?.authorization).toEqual({ kind: 'token', token: 'a-token' })
    const none = STREAM.replace('poll', 'none') + client
    expect(
      signals({
        BROKER_SIGNAL_ISSUERS_FILE: file(`${none}      client_secret: s\n      status: paused\n`),
      }).issuers,
    ).toMatchObject([{ stream: { delivery: 'none', status: 'paused' } }])
  })

  test.each([
    ['no authorization', '', 'stream needs token_file, or client_id'],
    [
      'a client without its secret',
      client,
      'needs client_id, client_secret_file and token_endpoint',
    ],
    [
      'a token and a client',
      `${client}      client_secret: s\n      token: t-value\n`,
      'has a token and a client_id',
    ],
    [
      'a secret given twice',
      '      token: t-value\n      token_file: /nowhere/token\n',
      'token and token_file',
    ],
    [
      'a file that is not there',
      '      token_file: /nowhere/token\n',
      'token_file of stream names /nowhere/token, which cannot be read: ENOENT',
    ],
    ['a token of two lines', '      token: "t-value\\nX: y"\n', 'token of stream must be one line'],
    [
      'plain http',
      '      token: t-value\n      configuration_uri: http://signals.example/c\n',
      'must be https',
    ],
    [
      'a status that only its transmitter sets',
      '      token: t-value\n      status: disabled\n',
      'status',
    ],
    [
      'a field that does not exist',
      '      token: t-value\n      endpoint: https://x.example\n',
      'endpoint',
    ],
    [
      'an upstream provider',
      '      token: t-value\n    kind: oidc\n',
      'stream is for kind secevent',
    ],
  ])('a stream with %s is reported, without a secret', (_what, more, problem) => {
    expect(streamProblems(more)).toContain(problem)
    expect(streamProblems(more)).not.toContain('t-value')
  })
})
