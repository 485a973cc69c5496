import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { describe, expect, onTestFinished, test } from 'vitest'
import { variablesOf } from '../../src/config/read.ts'
import { SETTINGS } from '../../src/config/settings.ts'

/** The systemd unit and the Kubernetes manifests of deploy/. Real proxies run in test/process/deploy.test.ts. */

const DEPLOY = resolve(import.meta.dirname, '../../deploy')
const text = (name: string): string => readFileSync(join(DEPLOY, name), 'utf8')
const known = new Set(variablesOf(SETTINGS))
const settingsIn = (file: string): string[] => [...new Set([...file.matchAll(/^[^#]*?\b(BROKER_[A-Z_]*[A-Z])\b/gm)].map(([, name = '']) => name))]

const SYSTEMD = '/usr/bin/systemd-analyze'
/** kubernetes-validate of PyPI. Its schemas take 100 MB, so `npm test` does not install it. */
const VALIDATE = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'kubernetes-validate'))
  .find((path) => existsSync(path))

describe('deploy/broker.service', () => {
  test('names settings that are read, and starts the program that the build makes', () => {
    expect(settingsIn(text('broker.service')).filter((name) => !known.has(name))).toEqual([])
    expect(text('broker.service')).toMatch(/^ExecStart=\/opt\/broker\/node_modules\/\.bin\/node dist\/src\/cli\.js serve$/m)
  })

  if (existsSync(SYSTEMD))
    test('is a unit that systemd takes without a warning', () => {
      const dir = mkdtempSync(join(tmpdir(), 'cmb-unit-'))
      onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
      const unit = join(dir, 'broker.service')
      // Its program is not installed here.
      writeFileSync(unit, text('broker.service').replace('/opt/broker/node_modules/.bin/node', process.execPath))
      const said = execFileSync('sh', ['-c', '"$0" verify --man=no "$1" 2>&1', SYSTEMD, unit], { encoding: 'utf8' })
      expect(said.split('\n').filter((line) => line.includes('broker.service'))).toEqual([])
    })
})

interface Container {
  name: string
  image: string
  env: { name: string; value: string }[]
  securityContext: object
  livenessProbe?: { httpGet: { path: string; port: string } }
  readinessProbe?: { httpGet: { path: string; port: string } }
  ports?: { name: string; containerPort: number }[]
  args?: string[]
  volumeMounts: { name: string; mountPath: string }[]
}
interface Resource {
  kind: string
  metadata: { name: string }
  data?: Record<string, string>
  spec?: {
    selector?: { matchLabels?: object }
    podSelector?: object
    ports?: { targetPort: string }[]
    serviceName?: string
    minAvailable?: number
    replicas?: number
    ingress?: { ports: { port: number }[] }[]
    volumeClaimTemplates?: Resource[]
    template?: {
      metadata: { labels: object }
      spec: {
        enableServiceLinks: boolean
        securityContext: object
        terminationGracePeriodSeconds: number
        containers: Container[]
        initContainers: Container[]
        volumes: { name: string }[]
      }
    }
  }
}

describe('deploy/kubernetes/broker.yaml', () => {
  const resources = parseAllDocuments(text('kubernetes/broker.yaml')).map((document) => document.toJS() as Resource)
  const of = (kind: string): Resource => resources.find((one) => one.kind === kind) ?? expect.fail(`There is no ${kind}.`)
  const set = of('StatefulSet').spec
  const pod = set?.template?.spec ?? expect.fail('The StatefulSet has no pod.')
  const [broker = expect.fail('The pod has no broker.')] = pod.containers

  if (VALIDATE !== undefined)
    test.each(['1.30.0', '1.37.0'])('has the fields that Kubernetes %s knows, and no other', (version) => {
      const said = execFileSync(VALIDATE, ['--strict', '-k', version, join(DEPLOY, 'kubernetes/broker.yaml')], { encoding: 'utf8', stdio: 'pipe' })
      expect(said).not.toContain('ERROR')
    })

  test('names settings that are read, and no secret', () => {
    expect(settingsIn(text('kubernetes/broker.yaml')).filter((name) => !known.has(name))).toEqual([])
    expect(resources.map(({ kind }) => kind)).not.toContain('Secret')
    for (const name of Object.keys(of('ConfigMap').data ?? {})) expect(name).not.toMatch(/SECRET|DATABASE_URL|PASSWORD/)
  })

  test('probes the process by /healthz and the store by /readyz, at ports that the broker has', () => {
    expect(broker.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'public' })
    expect(broker.readinessProbe?.httpGet).toEqual({ path: '/readyz', port: 'ops' })
    expect(broker.ports).toEqual([
      { name: 'public', containerPort: 7400 },
      { name: 'ops', containerPort: 7401 },
    ])
    const services = resources.filter(({ kind }) => kind === 'Service')
    expect(services.map(({ metadata, spec }) => [metadata.name, spec?.ports?.map((port) => port.targetPort)])).toEqual([
      ['broker', ['public']],
      ['broker-ops', ['ops']],
    ])
    expect(set?.serviceName).toBe('broker-ops')
  })

  test('gives the owner of the tables to the migration alone, and the broker a directory that fsGroup does not open', () => {
    const [migration = expect.fail('The pod migrates nothing.')] = pod.initContainers
    expect([migration.args, migration.volumeMounts.map(({ name }) => name)]).toEqual([['migrate', '--grant', 'broker'], ['owner']])
    expect(migration.env).toEqual([{ name: 'BROKER_DATABASE_URL_FILE', value: '/run/secrets/owner/database_url' }])
    const mounts = Object.fromEntries(broker.volumeMounts.map(({ name, mountPath }) => [name, mountPath]))
    expect(Object.keys(mounts)).toEqual(['data', 'tmp', 'secrets'])
    expect(of('ConfigMap').data?.BROKER_DATA_DIR).toMatch(new RegExp(`^${mounts['data']}/[a-z]+$`))
    expect(pod.securityContext).toMatchObject({ fsGroupChangePolicy: 'OnRootMismatch' })
  })

  test('keeps one broker while nodes are drained, and lets requests finish', () => {
    const labels = set?.template?.metadata.labels
    expect(set?.selector?.matchLabels).toEqual(labels)
    expect(of('PodDisruptionBudget').spec).toMatchObject({ minAvailable: (set?.replicas ?? 0) - 1, selector: { matchLabels: labels } })
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(Number(of('ConfigMap').data?.BROKER_DRAIN_SECONDS) + 15)
  })

  test('lets the ingress reach the public listener alone, and confines every container', () => {
    const policy = of('NetworkPolicy').spec
    expect(policy?.podSelector).toEqual({ matchLabels: set?.template?.metadata.labels })
    expect(policy?.ingress?.map(({ ports }) => ports.map(({ port }) => port))).toEqual([[7400], [7401]])
    const volumes = [...pod.volumes, ...(set?.volumeClaimTemplates ?? []).map(({ metadata }) => metadata)].map(({ name }) => name)
    for (const container of [...pod.initContainers, ...pod.containers]) {
      expect(container.securityContext).toEqual({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } })
      expect(container.image).toBe(broker.image)
      expect(volumes).toEqual(expect.arrayContaining(container.volumeMounts.map(({ name }) => name)))
    }
    expect(pod.enableServiceLinks).toBe(false)
  })
})
