import { execFile, execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch as fetchBy } from 'undici'
import { startEntra, type Entra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/users.ts'
import { newCertificate } from '../demo-entra/certificate.ts'
import { blocksOf, ROOT } from '../markdown.ts'
import { freePorts } from '../process/ports.ts'
import { NGINX } from './engine.ts'

/** A copy of this repository in which the commands of the documentation run unchanged. */

const HOST = 'login.case-manager.example'
const MICROSOFT = 'microsoft.example'

/** Returns the commands of each fenced block under a heading of a page, up to the next heading. */
export const blocksUnder = (page: string, heading: string, language = 'sh'): string[] =>
  blocksOf(`docs/${page}`)
    .filter((block) => block.heading === heading && block.language === language)
    .map(({ text }) => text)

export interface Stack {
  name: string
  dir: string
  issuer: string
  /** The broker's listeners on this machine. */
  ports: { public: number; ops: number }
  /**
   * Runs a script in the copy.
   * @returns its output
   */
  sh(script: string): Promise<string>
  write(name: string, text: string): void
  /**
   * A fetch that trusts the proxy's certificate, and resolves the broker's host name to this
   * machine.
   */
  fetch: typeof fetch
  /** Starts nginx with TLS by deploy/nginx.conf, on this machine's network. */
  startProxy(): Promise<void>
  entra: Entra
  end(): Promise<void>
}

/**
 * Checks that the network is free, so that a user's own stack is never changed.
 * @throws Error if another stack has it
 */
function mustBeAlone(name: string, env: NodeJS.ProcessEnv): void {
  const docker = (...args: string[]): string =>
    execFileSync('docker', args, { env }).toString().trim()
  const own = docker('ps', '-aq', '--filter', `label=com.docker.compose.project=${name}`)
  if (own !== '' || docker('network', 'ls', '-q', '--filter', 'name=^case-manager-broker_') !== '')
    throw new Error(
      'A stack of compose.yaml, or one that a test left, exists on this engine. End it first: its network would be taken.',
    )
}

/**
 * Prepares a stack of containers.
 * @param gateway the address of this machine for the containers of that stack
 */
export async function openStack(name: string, gateway: string): Promise<Stack> {
  const env = { ...process.env, COMPOSE_PROJECT_NAME: name }
  mustBeAlone(name, env)
  const dir = mkdtempSync(join(tmpdir(), `${name}-`))
  for (const file of execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: ROOT })
    .toString()
    .trim()
    .split('\n'))
    cpSync(join(ROOT, file), join(dir, file), { recursive: true })
  const write = (file: string, text: string): void => writeFileSync(join(dir, file), text)
  // The stack's images get other names, so that a developer's own are kept.
  write(
    'compose.yaml',
    readFileSync(join(dir, 'compose.yaml'), 'utf8').replace(
      /image: ghcr\.io\/case-manager\/identity-broker\/(\w+):\S+/g,
      `image: ${name}-$1`,
    ),
  )
  const [http = 0, https = 0, open = 0, ops = 0, microsoft = 0, inside = 0] = await freePorts(6)
  const issuer = `https://${HOST}:${https}`
  const entra = await startEntra({
    port: inside,
    origin: `https://${MICROSOFT}:${microsoft}`,
    apps: [{ redirectUris: [`${issuer}/signin/callback`, `${issuer}/logout/return`] }],
  })
  const certificates = [HOST, MICROSOFT].map((host) => ({
    host,
    ...newCertificate(undefined, host),
  }))
  for (const { host, certificate, privateKey } of certificates) {
    write(`${host}.pem`, certificate)
    write(`${host}.key`, privateKey)
  }
  const ca = certificates.map(({ certificate }) => certificate).join('')
  write('ca.pem', ca)
  const settings = {
    BROKER_ENTRA_SIMULATED: 'yes',
    BROKER_ENTRA_AUTHORITY: entra.authority,
    BROKER_ENTRA_TENANT: CONTOSO.tid,
    BROKER_ENTRA_CLIENT_ID: APP_CLIENT_ID,
    BROKER_ENTRA_CLIENT_SECRET: APP_CLIENT_SECRET,
    BROKER_OPERATOR_TENANT: CONTOSO.tid,
  }
  write(
    'broker.env',
    Object.entries(settings)
      .map(([key, value]) => `${key}='${value}'\n`)
      .join(''),
  )
  const reaches = `extra_hosts: ['${HOST}:${gateway}', '${MICROSOFT}:${gateway}'], volumes: ['./ca.pem:/ca.pem:ro'], environment: { NODE_EXTRA_CA_CERTS: /ca.pem }`
  const ports = `ports: !override ['127.0.0.1:${open}:7400', '127.0.0.1:${ops}:7401']`
  const services = ['broker-a', 'broker-b', 'worker-a', 'worker-b'].map(
    (service) => `  ${service}: { ${reaches} }\n`,
  )
  // No registry has an image of these names.
  const built = 'pull_policy: build'
  write(
    'compose.override.yaml',
    `services:\n  broker: { ${reaches}, ${ports}, ${built} }\n  guard: { ${reaches}, ${built} }\n  migrate: { ${built} }\n  proxy: { ${ports} }\n${services.join('')}`,
  )
  const sh = (script: string): Promise<string> =>
    new Promise((done, failed) => {
      execFile(
        'bash',
        ['--norc', '-euc', script.replaceAll(`https://${HOST}`, issuer)],
        { cwd: dir, env, maxBuffer: 1 << 26 },
        (error, out, err) => {
          if (error === null) done(out)
          else failed(new Error(`${script}\n${out}\n${err}`))
        },
      )
    })
  const agent = new Agent({
    connect: {
      ca,
      lookup: (_host, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]),
    },
  })
  const toBroker: typeof fetch = (input, init) =>
    fetchBy(input as string, {
      ...(init as object),
      dispatcher: agent,
    }) as unknown as Promise<Response>
  return {
    name,
    dir,
    issuer,
    ports: { public: open, ops },
    sh,
    write,
    entra,
    fetch: toBroker,
    async startProxy() {
      const site = readFileSync(join(dir, 'deploy/nginx.conf'), 'utf8')
        .replace('listen 80;', `listen ${http};`)
        .replace('listen 443 ssl;', `listen ${https} ssl;`)
        .replaceAll('127.0.0.1:7400', `127.0.0.1:${open}`)
      write(
        'nginx-site.conf',
        `${site}
server {
  listen ${microsoft} ssl;
  ssl_certificate /etc/ssl/${MICROSOFT}.pem;
  ssl_certificate_key /etc/ssl/${MICROSOFT}.key;
  location / { proxy_pass http://127.0.0.1:${inside}; }
}
`,
      )
      const mounts = [
        'nginx-site.conf:/etc/nginx/conf.d/site.conf',
        `${HOST}.pem:/etc/ssl/broker.pem`,
        `${HOST}.key:/etc/ssl/broker.key`,
        ...['pem', 'key'].map((end) => `${MICROSOFT}.${end}:/etc/ssl/${MICROSOFT}.${end}`),
      ]
      await sh(
        `docker run -d --name ${name}-tls --network host ${mounts.map((mount) => `-v "$PWD/${mount}:ro"`).join(' ')} ${NGINX}`,
      )
    },
    async end() {
      await sh(
        `docker rm -f ${name}-tls ${name}-app; docker compose --profile '*' down -v --remove-orphans --timeout 0; docker rmi ${name}-broker ${name}-guard`,
      ).catch(() => '')
      agent.destroy().catch(() => undefined)
      await entra.close()
      rmSync(dir, { recursive: true, force: true })
    },
  }
}
