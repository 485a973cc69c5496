import type { Container, PodSpec, Probe, Volume } from 'kubernetes-types/core/v1.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { POD, resource } from '../kubernetes.ts'
import { hasEngine } from './engine.ts'
import { blocksUnder, openStack, type Stack } from './stack.ts'

/**
 * The pods of deploy/kubernetes/broker.yaml, run by a container engine as the kubelet runs them:
 * each container with its own command, user and confinement, over volumes with the owners and modes
 * that Kubernetes gives them. Its probes are asked from outside. The standby and the queue's server
 * are those of compose.yaml.
 */

const NAME = 'cmb-containers-test'
const IMAGE = `${NAME}-broker`
const SET = resource('StatefulSet').spec ?? expect.unreachable()
const PODS = Array.from({ length: SET.replicas ?? 1 }, (_, index) => `broker-${index}`)
const [BROKER = expect.unreachable()] = POD.containers

const bytesOf = (quantity: unknown): number => {
  const [, number = '', unit = ''] =
    /^(\d+)([MG]i)$/.exec(String(quantity)) ?? expect.fail(`Not a size: ${String(quantity)}`)
  return Number(number) * (unit === 'Gi' ? 2 ** 30 : 2 ** 20)
}

/**
 * Returns whether a volume is in memory. It is then a tmpfs of the container. Any other is a volume
 * of the engine, which the kubelet prepares.
 */
const inMemory = ({ emptyDir }: Volume): boolean => emptyDir?.medium === 'Memory'
const volumesOf = ({ volumes = [] }: PodSpec): Volume[] => [
  ...volumes,
  ...(SET.volumeClaimTemplates ?? []).map(({ metadata }) => ({
    name: metadata?.name ?? '',
    persistentVolumeClaim: { claimName: '' },
  })),
]

function environmentOf({ env = [], envFrom = [] }: Container): Record<string, string> {
  const maps = envFrom.map(({ configMapRef }) => {
    const { data, metadata } = resource('ConfigMap')
    return configMapRef?.name === metadata?.name
      ? data
      : expect.fail('Its settings come from something that is not in the file.')
  })
  return Object.assign(
    {},
    ...maps,
    Object.fromEntries(
      env.map(({ name, value }) => [name, value ?? expect.fail(`${name} has no value.`)]),
    ),
  )
}

/** Returns a container as a service of Compose. */
function serviceOf(pod: string, container: Container, init: readonly string[]): object {
  const { runAsUser, runAsGroup = 0, runAsNonRoot, fsGroup } = POD.securityContext ?? {}
  const { readOnlyRootFilesystem, allowPrivilegeEscalation, capabilities } =
    container.securityContext ?? {}
  if (runAsNonRoot === true && runAsUser === undefined)
    expect.fail('The image names its user by a word, which Kubernetes cannot verify.')
  const mounts = (container.volumeMounts ?? []).map(({ name, mountPath, readOnly = false }) => {
    const volume =
      volumesOf(POD).find((candidate) => candidate.name === name) ??
      expect.fail(`There is no volume ${name}.`)
    if (!inMemory(volume))
      return {
        type: 'volume',
        source: `${pod}-${name}`,
        target: mountPath,
        read_only: readOnly,
        volume: { nocopy: true },
      }
    return `${mountPath}:exec,mode=2777,gid=${fsGroup ?? 0},size=${bytesOf(volume.emptyDir?.sizeLimit)}`
  })
  // The image's own volume, which a runtime may create as root.
  const data = mounts.some((mount) => typeof mount === 'object' && mount.target === '/data')
    ? []
    : ['/data:mode=0755']
  const memory = container.resources?.limits?.['memory']
  return {
    image: IMAGE,
    hostname: pod,
    entrypoint: container.command,
    command: container.args,
    environment: environmentOf(container),
    user: `${runAsUser ?? ''}:${runAsGroup}`,
    group_add: fsGroup === undefined ? [] : [String(fsGroup)],
    read_only: readOnlyRootFilesystem,
    cap_drop: capabilities?.drop,
    security_opt: [`no-new-privileges:${allowPrivilegeEscalation === false}`],
    volumes: mounts.filter((mount) => typeof mount === 'object'),
    tmpfs: [...data, ...mounts.filter((mount) => typeof mount === 'string')],
    ...(memory !== undefined && { mem_limit: bytesOf(memory) }),
    ports: (container.ports ?? []).map(({ containerPort }) => `127.0.0.1::${containerPort}`),
    depends_on: Object.fromEntries(
      init.map((name) => [name, { condition: 'service_completed_successfully' }]),
    ),
    stop_grace_period: `${POD.terminationGracePeriodSeconds ?? 30}s`,
    healthcheck: { disable: true },
    networks: ['cluster'],
  }
}

/**
 * Returns the commands that prepare the volumes of a pod before its containers start, as the
 * kubelet does (kubernetes/pkg/volume: volume_linux.go, util/atomic_writer.go).
 */
function preparationOf(pod: string): string {
  const { fsGroup, fsGroupChangePolicy = 'Always' } = POD.securityContext ?? {}
  const own = (at: string, may: string): string =>
    fsGroup === undefined
      ? 'true'
      : `chgrp -hR ${fsGroup} ${at}; find ${at} -type d -exec chmod g+${may}xs {} +; find ${at} -type f -exec chmod g+${may} {} +`
  // The policy applies to volumes that outlive the pod.
  const known = (at: string): string =>
    fsGroupChangePolicy === 'Always'
      ? 'false'
      : `[ "$(stat -c %g:%A ${at})" = ${fsGroup}:drwxrwsr-x ]`
  const steps = volumesOf(POD).map(({ name, secret, persistentVolumeClaim, ...volume }) => {
    const at = `/volumes/${name}`
    if (persistentVolumeClaim !== undefined)
      return `mkdir -p ${at}/lost+found; ${known(at)} || { ${own(at, 'rw')}; }`
    if (secret === undefined)
      return inMemory({ name, ...volume })
        ? ''
        : expect.fail(`The kind of the volume ${name} has no stand-in here.`)
    const mode = (secret.defaultMode ?? 0o644).toString(8)
    const files = `cp /secrets/${secret.secretName}/* ${at}/..now; chmod ${mode} ${at}/..now/*; ln -sfn ..now ${at}/..data`
    const links = `for key in $(ls ${at}/..now); do ln -sfn ..data/$key ${at}/$key; done`
    return `mkdir -p ${at}/..now; chmod 1777 ${at}; ${files}; ${links}; ${own(at, 'r')}`
  })
  const mounts = volumesOf(POD).filter((volume) => !inMemory(volume))
  const options = mounts.map(({ name }) => `-v ${NAME}_${pod}-${name}:/volumes/${name}`).join(' ')
  return `docker run --rm --user 0 --entrypoint sh ${options} -v "$PWD/secrets:/secrets:ro" ${IMAGE} -euc '${steps.join('\n')}'\n`
}

function composeFile(): string {
  const initOf = (pod: string): string[] =>
    (POD.initContainers ?? []).map(({ name }) => `${pod}-${name}`)
  const services = PODS.flatMap((pod) => [
    ...(POD.initContainers ?? []).map((container, index) => [
      `${pod}-${container.name}`,
      serviceOf(pod, container, initOf(pod).slice(0, index)),
    ]),
    [pod, serviceOf(pod, BROKER, initOf(pod))],
  ])
  const volumes = PODS.flatMap((pod) => volumesOf(POD).map(({ name }) => [`${pod}-${name}`, {}]))
  const theirs = {
    'postgres-a': { networks: { cluster: { aliases: ['postgres'] } } },
    valkey: { networks: { cluster: {} } },
  }
  // Doubles each $, which Compose would expand.
  return JSON.stringify({
    services: { ...theirs, ...Object.fromEntries(services) },
    volumes: Object.fromEntries(volumes),
  }).replaceAll('$', '$$$$')
}

/**
 * The commands of `kubectl` that the documentation uses: a Secret's values become files, and the
 * pods are services of Compose.
 */
const KUBECTL = `kubectl() {
  case $1 in
    create) mkdir -p "secrets/$4"; for one in "\${@:5}"; do one=\${one#--from-literal=}; printf %s "\${one#*=}" > "secrets/$4/\${one%%=*}"; done ;;
    apply) docker compose up -d --no-build ${PODS.join(' ')} ;;
    exec) docker compose exec -T "$2" "\${@:4}" ;;
  esac
}
`

describe.runIf(hasEngine())('two pods', () => {
  let stack: Stack
  beforeAll(async () => {
    stack = await openStack(NAME, '172.30.74.1')
    stack.write('compose.override.yaml', composeFile())
    const secrets = [
      blocksUnder('operations.md', 'With containers'),
      blocksUnder('scale-out.md', 'Run it with compose'),
    ]
    await stack.sh(secrets.map(([first = '']) => first.replaceAll(/^docker .*\n/gm, '')).join(''))
    await stack.sh(
      'docker compose build broker; docker compose --profile cluster up -d --wait valkey postgres-a postgres-b',
    )
    const [sql = ''] = blocksUnder('scale-out.md', 'Set it up', 'sql')
    stack.write(
      'roles.sql',
      `DROP DATABASE broker; DROP ROLE broker; ${sql.replaceAll('…', 'of-the-pods')}`,
    )
    await stack.sh(
      'docker compose exec -T postgres-a psql -v ON_ERROR_STOP=1 -U postgres -f - < roles.sql',
    )
    const [create = ''] = blocksUnder('deploy.md', 'On Kubernetes')
    await stack.sh(
      `${KUBECTL}${create.replaceAll('…', 'of-the-pods')}\ndocker compose up --no-start --no-build ${PODS.join(' ')}`,
    )
  })
  afterAll(() => stack?.end())

  const kubectl = (command: string): Promise<string> => stack.sh(`${KUBECTL}kubectl ${command}`)

  /** Returns the status of a probe, at the port that it names. */
  async function ask(pod: string, { httpGet, timeoutSeconds = 1 }: Probe): Promise<number> {
    const { path = '/', port } = httpGet ?? expect.fail('Only probes by HTTP are asked here.')
    const number =
      typeof port === 'number'
        ? port
        : BROKER.ports?.find(({ name }) => name === port)?.containerPort
    const at = await stack.sh(
      `docker compose port ${pod} ${number ?? expect.fail(`The container has no port ${port}.`)}`,
    )
    const headers = { host: `10.1.2.3:${number}`, 'user-agent': 'kube-probe/1.30' }
    const answer = await request(`http://${at.trim()}${path}`, {
      headers,
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    }).catch(() => undefined)
    await answer?.body.dump()
    return answer?.statusCode ?? 0
  }
  async function passes(
    pod: string,
    probe: Probe = expect.fail('There is no such probe.'),
  ): Promise<void> {
    for (let left = probe.failureThreshold ?? 3; ; left--) {
      const status = await ask(pod, probe)
      if (status >= 200 && status < 400) return
      if (left === 1)
        expect.fail(
          `${pod}: ${JSON.stringify(probe)} was answered ${status}.\n${await stack.sh(`docker compose logs ${pod}`)}`,
        )
      await sleep((probe.periodSeconds ?? 10) * 1000)
    }
  }
  /** Starts pods whose volumes exist, as the kubelet does. */
  async function start(pods: readonly string[]): Promise<void> {
    await stack.sh(pods.map(preparationOf).join(''))
    await kubectl('apply')
    for (const pod of pods)
      for (const probe of [BROKER.startupProbe, BROKER.livenessProbe, BROKER.readinessProbe])
        await passes(pod, probe)
  }
  async function expectHealthy(pod: string): Promise<void> {
    const { findings } = JSON.parse(await kubectl(`exec ${pod} -- cmb doctor --json || true`)) as {
      findings: { check: string; state: string }[]
    }
    // These checks fail without Microsoft and an ingress.
    const wrong = findings.filter(
      ({ check, state }) =>
        state !== 'ok' && !['settings', 'connection', 'certificates'].includes(check),
    )
    expect(wrong).toEqual([])
  }

  test('every container runs as the file says, migrations beside each other, and the probes pass', async () => {
    await start(PODS)
    for (const pod of PODS) await expectHealthy(pod)
    expect(await kubectl('exec broker-0 -- cmb setup')).toMatch(/(?:[0-9A-Z]{5}-){4}[0-9A-Z]{5}/)
  })

  test('a pod that ends serves what still comes, exits by itself, and starts again on its volume', async () => {
    const { readinessProbe: ready = {}, livenessProbe: alive = {} } = BROKER
    const stopped = stack.sh('docker compose stop broker-1')
    await expect.poll(() => ask('broker-1', ready), { timeout: 5000 }).toBe(503)
    expect(await ask('broker-1', alive)).toBe(200)
    await stopped
    expect(await stack.sh(`docker inspect -f '{{.State.ExitCode}}' ${NAME}-broker-1-1`)).toBe('0\n')
    await start(['broker-1'])
    await expectHealthy('broker-1')
  })
})
