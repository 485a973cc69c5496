import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Hono } from 'hono'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/config.ts'
import { variablesOf } from '../../src/config/read.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { listen } from '../../src/runtime/listener.ts'

/** Checks the names in the services of compose.yaml. test/containers runs the services. */

interface Service {
  image: string
  build?: unknown
  profiles?: string[]
  environment?: Record<string, string>
  env_file?: { path: string; required: boolean }[]
  depends_on?: Record<string, unknown>
  networks?: string[] | Record<string, unknown>
  volumes?: string[]
  secrets?: string[]
  configs?: { source: string }[]
}
const TENANT = '11111111-1111-4111-8111-111111111111'

type Named = 'networks' | 'volumes' | 'secrets' | 'configs'
type Compose = { services: Record<string, Service> } & Record<Named, object>

const compose = parse(readFileSync(resolve(import.meta.dirname, '../../compose.yaml'), 'utf8'), {
  merge: true,
}) as Compose
const services = Object.entries(compose.services)

describe('compose.yaml', () => {
  test('services use the networks, volumes, secrets and configs that it declares, and all of them', () => {
    const used: Record<Named, (service: Service) => (string | undefined)[]> = {
      networks: ({ networks = [] }) => (Array.isArray(networks) ? networks : Object.keys(networks)),
      volumes: ({ volumes = [] }) => volumes.map((volume) => volume.split(':')[0]),
      secrets: ({ secrets = [] }) => secrets,
      configs: ({ configs = [] }) => configs.map(({ source }) => source),
    }
    for (const kind of ['networks', 'volumes', 'secrets', 'configs'] as const)
      expect([
        kind,
        [...new Set(services.flatMap(([, service]) => used[kind](service)))].sort(),
      ]).toEqual([kind, Object.keys(compose[kind]).sort()])
  })

  test('one service of a profile builds an image, and the others take it', () => {
    const release = 'ghcr.io/case-manager/identity-broker/'
    const { version } = JSON.parse(
      readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'),
    ) as { version: string }
    const built = services.filter(([, { build }]) => build !== undefined)
    expect(built.map(([name, { image, profiles }]) => [name, image, profiles])).toEqual([
      ['broker', `${release}broker:${version}`, undefined],
      ['guard', `${release}guard:${version}`, ['guard']],
      ['migrate', `${release}broker:${version}`, ['cluster']],
    ])
  })

  test('every BROKER_ variable of a service is a setting', () => {
    const known = new Set(variablesOf(SETTINGS))
    const named = services
      .flatMap(([, { environment = {} }]) => Object.keys(environment))
      .filter((name) => name.startsWith('BROKER_'))
    expect(named).toContain('BROKER_DATABASE_STANDBY')
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('the broker starts with its address and one secret; Microsoft is connected at /setup, or by broker.env', () => {
    const dir = mkdtempSync(join(tmpdir(), 'compose-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    writeFileSync(join(dir, 'broker_secret'), randomBytes(32).toString('hex'))
    for (const name of ['broker', 'broker-a']) {
      const { environment = {}, env_file: files, secrets = [] } = compose.services[name] ?? {}
      expect(files).toEqual([{ path: 'broker.env', required: false }])
      expect(secrets).toContain('broker_secret')
      writeFileSync(join(dir, 'database_url'), 'postgres://broker:b0b0@postgres/broker')
      const given = Object.entries(environment).map(([key, value]) => [
        key,
        value
          .replace('/run/secrets', dir)
          .replace(/^\$\{BROKER_ISSUER.*/, 'https://login.case-manager.example'),
      ])
      const env = Object.fromEntries(given) as Record<string, string>
      expect(Object.values(env).filter((value) => value.includes('${'))).toEqual([])
      expect(loadConfig(env)).toMatchObject({
        issuer: 'https://login.case-manager.example',
        warnings: [],
        entra: { credential: undefined },
      })
      const byFile = {
        BROKER_ENTRA_TENANT: TENANT,
        BROKER_ENTRA_CLIENT_ID: TENANT,
        BROKER_ENTRA_CLIENT_SECRET: 's3cret',
      }
      expect(loadConfig({ ...byFile, ...env }).entra).toMatchObject({
        clientId: TENANT,
        credential: { kind: 'secret' },
      })
    }
  })

  test('the proxy brings all of the profile cluster and the queue, and not the broker on SQLite', () => {
    const needed = new Set(['proxy'])
    for (const name of needed)
      for (const next of Object.keys(compose.services[name]?.depends_on ?? {})) needed.add(next)
    const ofProfile = services
      .filter(([, { profiles }]) => profiles?.includes('cluster'))
      .map(([name]) => name)
    expect([...needed].sort()).toEqual([...ofProfile, 'valkey'].sort())
    expect(needed).not.toContain('broker')
  })

  test('the proxy keeps idle connections for longer than the broker announces, so that no client reuses one that is being closed', async () => {
    const listener = await listen(
      new Hono().get('/', (c) => c.text('')),
      { host: '127.0.0.1', port: 0 },
      'BROKER_LISTEN',
    )
    onTestFinished(() => listener.close())
    const { headers } = await fetch(`http://127.0.0.1:${listener.address.port}/`)
    const [announced, kept] = [
      /timeout=(\d+)/.exec(headers.get('keep-alive') ?? ''),
      /timeout http-keep-alive (\d+)s/.exec(
        readFileSync(resolve(import.meta.dirname, '../../deploy/compose/haproxy.cfg'), 'utf8'),
      ),
    ]
    expect(Number(kept?.[1])).toBeGreaterThan(Number(announced?.[1]))
  })
})
