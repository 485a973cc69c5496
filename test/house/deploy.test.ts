import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Service } from 'kubernetes-types/core/v1.js'
import type { Ingress } from 'kubernetes-types/networking/v1.js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { variablesOf } from '../../src/config/read.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { INSTANCES, MANIFEST, POD, resource, RESOURCES } from '../kubernetes.ts'
import { ROOT } from '../markdown.ts'

/**
 * The systemd unit and the Kubernetes manifests of deploy/. Real proxies run in
 * test/process/deploy.test.ts.
 */

const UNIT = readFileSync(join(ROOT, 'deploy/broker.service'), 'utf8')
const known = new Set(variablesOf(SETTINGS))
const settingsIn = (file: string): string[] => [
  ...new Set([...file.matchAll(/^[^#]*?\b(BROKER_[A-Z_]*[A-Z])\b/gm)].map(([, name = '']) => name)),
]

const SYSTEMD = '/usr/bin/systemd-analyze'
const temporary = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-deploy-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

describe('deploy/broker.service', () => {
  test('names settings that are read, and starts the program that the build makes', () => {
    expect(settingsIn(UNIT).filter((name) => !known.has(name))).toEqual([])
    expect(UNIT).toMatch(
      /^ExecStart=\/opt\/broker\/node_modules\/\.bin\/node --max-semi-space-size=2 --initial-old-space-size=48 --heap-growing-percent=50 dist\/src\/cli\.js serve$/m,
    )
  })

  if (existsSync(SYSTEMD))
    test('and the backup’s units are ones that systemd takes without a warning', () => {
      const dir = temporary()
      for (const name of ['broker.service', 'broker-backup.service', 'broker-backup.timer']) {
        const unit = readFileSync(join(ROOT, 'deploy', name), 'utf8')
        // The unit's program is not installed here.
        const program = '/opt/broker/node_modules/.bin/node'
        writeFileSync(join(dir, name), unit.replace(program, process.execPath))
      }
      const said = execFileSync(
        'sh',
        ['-c', 'cd "$1" && "$0" verify --man=no ./broker* 2>&1 || true', SYSTEMD, dir],
        { encoding: 'utf8' },
      )
      expect(said.split('\n').filter((line) => /broker[-\w]*\.(service|timer)/.test(line))).toEqual(
        [],
      )
    })

  test('its cmb runs the broker’s own program with the settings, the secret and the data of the unit', () => {
    const dir = temporary()
    writeFileSync(join(dir, 'settings.env'), 'BROKER_ISSUER=https://login.example\n')
    writeFileSync(
      join(dir, 'cli.js'),
      `const { BROKER_ISSUER, BROKER_SECRET_FILE, BROKER_DATA_DIR } = process.env
console.log([BROKER_ISSUER, BROKER_SECRET_FILE, BROKER_DATA_DIR, ...process.argv.slice(2)].join())`,
    )
    const script = readFileSync(join(ROOT, 'deploy/cmb'), 'utf8')
      .replace('/opt/broker/node_modules/.bin/node', process.execPath)
      .replace('/opt/broker/dist/src', dir)
      .replaceAll('/etc/broker', dir)
    const said = execFileSync('sh', ['-c', script, 'cmb', 'status', 'a b'], { encoding: 'utf8' })
    expect(said).toBe(`https://login.example,${dir}/broker_secret,/var/lib/broker,status,a b\n`)
  })
})

describe('deploy/kubernetes', () => {
  const set = resource('StatefulSet').spec ?? expect.fail('The StatefulSet is empty.')
  const settings = resource('ConfigMap').data ?? {}
  const [broker = expect.fail('The pod has no broker.')] = POD.containers

  test('has the fields that Kubernetes 1.30 knows, each of its type, and no other', () => {
    const typed = (document: { apiVersion?: string; kind?: string }): string => {
      const [version, group = 'core'] = (document.apiVersion ?? '').split('/').toReversed()
      const types = join(
        ROOT,
        'node_modules/kubernetes-types',
        group.replace('.k8s.io', ''),
        `${version}`,
      )
      return `;(${JSON.stringify(document)}) satisfies import('${types}').${document.kind}\n`
    }
    const unknown = {
      ...resource('StatefulSet'),
      spec: {
        ...set,
        template: { spec: { ...POD, containers: [{ ...broker, livenesProbe: {} }] } },
      },
    }
    const file = join(temporary(), 'manifest.ts')
    writeFileSync(
      file,
      `${[...RESOURCES, ...INSTANCES].map(typed).join('')}// @ts-expect-error\n${typed(unknown)}`,
    )
    const options = [
      '--ignoreConfig',
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'esnext',
      '--moduleResolution',
      'bundler',
    ]
    expect(RESOURCES.filter(({ apiVersion = '' }) => !/(?:^|\/)v\d+$/.test(apiVersion))).toEqual([])
    expect(
      spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, file], { encoding: 'utf8' }),
    ).toMatchObject({ stdout: '', status: 0 })
  })

  test('names settings that are read, and no secret', () => {
    expect(settingsIn(MANIFEST).filter((name) => !known.has(name))).toEqual([])
    expect(RESOURCES.map(({ kind }) => String(kind))).not.toContain('Secret')
    for (const name of Object.keys(settings))
      expect(name).not.toMatch(/SECRET|DATABASE_URL|PASSWORD/)
  })

  test('probes the process by /healthz and the store by /readyz, at ports that the broker has', () => {
    expect(broker.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'public' })
    expect(broker.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'ops' })
    expect(broker.ports).toEqual([
      { name: 'public', containerPort: 7400 },
      { name: 'ops', containerPort: 7401 },
    ])
    const services = RESOURCES.filter(
      (candidate): candidate is Service => candidate.kind === 'Service',
    )
    expect(
      services.map(({ metadata, spec }) => [
        metadata?.name,
        spec?.ports?.map((port) => port.targetPort),
      ]),
    ).toEqual([
      ['broker', ['public']],
      ['broker-ops', ['ops']],
    ])
    expect(set.serviceName).toBe('broker-ops')
  })

  test('leads the public and the operators’ address to a Service each, and holds event streams open', () => {
    const ingresses = RESOURCES.filter(
      (candidate): candidate is Ingress => candidate.kind === 'Ingress',
    )
    const paths = ingresses.flatMap(({ spec }) => spec?.rules?.[0]?.http?.paths ?? [])
    expect(paths.map(({ backend: { service } }) => [service?.name, service?.port?.name])).toEqual([
      ['broker', 'public'],
      ['broker-ops', 'ops'],
    ])
    for (const { metadata, spec } of ingresses) {
      const settings = Object.values(metadata?.annotations ?? {})
      expect([settings, spec?.tls?.[0]?.hosts]).toEqual([
        ['75', 'off', 'off'],
        [spec?.rules?.[0]?.host],
      ])
    }
    expect(ingresses[0]?.spec?.rules?.[0]?.host).toBe(new URL(settings.BROKER_ISSUER ?? '').host)
  })

  test('gives the owner of the tables to the migration alone, and the broker a directory that fsGroup does not open', () => {
    const [migration = expect.fail('The pod migrates nothing.')] = POD.initContainers ?? []
    expect([migration.args, migration.volumeMounts?.map(({ name }) => name)]).toEqual([
      ['migrate', '--grant', 'broker'],
      ['owner'],
    ])
    expect(migration.env).toEqual([
      { name: 'BROKER_DATABASE_URL_FILE', value: '/run/secrets/owner/database_url' },
    ])
    const mounts = Object.fromEntries(
      (broker.volumeMounts ?? []).map(({ name, mountPath }) => [name, mountPath]),
    )
    expect(Object.keys(mounts)).toEqual(['data', 'tmp', 'secrets'])
    expect(settings.BROKER_DATA_DIR).toMatch(new RegExp(`^${mounts['data']}/[a-z]+$`))
    expect(POD.securityContext).toMatchObject({ fsGroupChangePolicy: 'OnRootMismatch' })
  })

  test('recovers by a pod that reaches Postgres, that no Service takes, and that has the image and confinement of a broker', () => {
    const { metadata, spec } = resource('Pod')
    const [recover = expect.fail('The pod has no container.')] = spec?.containers ?? []
    expect(metadata?.labels).toEqual(set.template.metadata?.labels)
    expect([recover.image, recover.securityContext, recover.ports]).toEqual([
      broker.image,
      broker.securityContext,
      undefined,
    ])
    expect(recover.env).toEqual(POD.initContainers?.[0]?.env)
    expect(spec?.volumes).toContainEqual(POD.volumes?.find(({ name }) => name === 'owner'))
  })

  test('is scraped as the job that the alerts name', () => {
    const { spec } = parse(
      readFileSync(join(ROOT, 'deploy/kubernetes/monitoring/monitor.yaml'), 'utf8'),
    ) as {
      spec: {
        jobLabel: string
        selector: { matchLabels: object }
        endpoints: { port: string }[]
      }
    }
    const scraped = RESOURCES.filter(
      (candidate): candidate is Service =>
        candidate.kind === 'Service' &&
        candidate.spec?.ports?.some(({ name }) => name === spec.endpoints[0]?.port) === true,
    )
    expect(scraped.map(({ metadata }) => metadata?.labels?.[spec.jobLabel])).toEqual(['broker'])
    expect(scraped[0]?.metadata?.labels).toEqual(spec.selector.matchLabels)
  })

  test('keeps one broker while nodes are drained, and lets requests finish', () => {
    const labels = set.template.metadata?.labels
    expect(set.selector.matchLabels).toEqual(labels)
    expect(resource('PodDisruptionBudget').spec).toMatchObject({
      minAvailable: (set.replicas ?? 0) - 1,
      selector: { matchLabels: labels },
    })
    expect(POD.terminationGracePeriodSeconds).toBeGreaterThan(
      Number(settings.BROKER_DRAIN_SECONDS) + 15,
    )
  })

  test('lets the ingress reach the public listener alone, and confines every container', () => {
    const policy = resource('NetworkPolicy').spec
    expect(policy?.podSelector).toEqual({ matchLabels: set.template.metadata?.labels })
    expect(policy?.ingress?.map(({ ports }) => ports?.map(({ port }) => port))).toEqual([
      [7400],
      [7401],
    ])
    const volumes = [
      ...(POD.volumes ?? []),
      ...(set.volumeClaimTemplates ?? []).map(({ metadata }) => metadata),
    ].map((volume) => volume?.name)
    for (const container of [...(POD.initContainers ?? []), ...POD.containers]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      })
      expect(container.image).toBe(broker.image)
      expect(volumes).toEqual(
        expect.arrayContaining((container.volumeMounts ?? []).map(({ name }) => name)),
      )
    }
    expect(POD.enableServiceLinks).toBe(false)
  })
})
