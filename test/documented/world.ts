import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { type PostgresServer, startPostgres } from '../../bench/servers/postgres.ts'
import { CONTOSO } from '../../demo/entra/users.ts'
import { completeClock } from '../../guard/src/clock.ts'
import { type Message, openAdapter } from '../../guard/src/conformance/adapter.ts'
import { blocksOf, ROOT } from '../markdown.ts'
import { onPath, QUEUE_SERVER } from '../needs.ts'
import { freeBase, freePorts } from '../process/ports.ts'
import { CMB, install } from '../process/shell.ts'
import { openWorld, type World } from '../recipes/world.ts'
import { claimsOf } from '../token/tokens.ts'

/**
 * The world of a page's commands: one broker with its clients and users for all pages, and a
 * directory for each page.
 */

interface Place {
  cwd: string
  /** The substitute for the machine's `/`: etc, run and var. */
  root: string
  env: Record<string, string>
  withPorts(text: string): string
}

export interface Documented {
  world: World
  dir: string
  postgres(): Promise<PostgresServer>
  /** Returns the directory in which a page's commands run, and their variables. */
  place(page: string): Promise<Place>
  /** Returns the text with this world's values instead of the example's. */
  valued(page: string, heading: string, text: string): Promise<string>
  /** Ends the servers of a page, and lifts its locks. */
  tidy(page: string): Promise<void>
  dispose(): Promise<void>
}

const PORTS = ['3000', '3001', '4180', '7410', '8080'] as const
const PROGRAMS = [
  'npx',
  'npm',
  'nginx',
  'node',
  'pip',
  'python3',
  'flask',
  'uvicorn',
  'go',
  'mvn',
  'dotnet',
  'caddy',
  'haproxy',
  'envoy',
  'traefik',
  'oauth2-proxy',
]
const ADAPTER = 'guard/conformance/adapter.example.mjs'
/** A day of the pages is one that this run has entries of, or one that is still to come. */
const dayIn = (days: number): string =>
  new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
const TODAY = dayIn(0)

/**
 * Starts what the documented commands need.
 * @param dir the caller empties it
 */
export async function openDocumented(dir: string): Promise<Documented> {
  const exchange = [
    'authorization_code',
    'refresh_token',
    'client_credentials',
    'urn:ietf:params:oauth:grant-type:token-exchange',
  ]
  const scope = 'openid profile email offline_access cases:read'
  const world = await openWorld([
    { name: 'sydney', registration: () => ({ audience: 'https://sydney.example' }) },
    {
      name: 'reports',
      registration: () => ({
        grant_types: exchange,
        scope,
        resources: ['urn:case-manager:instance:archive'],
      }),
    },
    { name: 'archive', registration: () => ({ exchange_from: ['reports'] }) },
  ])
  const admin = await world.admin()
  const service = async (id: string, fields: object): Promise<string> => {
    const made = { client_id: id, client_name: id, grant_types: ['client_credentials'], ...fields }
    return (await admin.send<{ client_secret: string }>('POST', '/clients', made)).client_secret
  }
  const robot = await service('robot', { scope: 'broker:operate' })
  const gateway = await service('gateway', {
    scope: 'ssf.read ssf.manage',
    ssf_push_origins: ['https://gateway.example'],
  })
  const root = await service('root', { scope: 'broker:administer' })
  const poller = await service('poller', { scope: 'ssf.read ssf.manage' })
  const tokenOf = async (id: string, secret: string, scope: string): Promise<string> => {
    const headers = { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` }
    const answer = await fetch(`${world.inside}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
      headers,
    })
    return ((await answer.json()) as { access_token: string }).access_token
  }
  const hook = await admin.send<{ id: string }>('POST', '/webhooks', {
    url: 'https://siem.example/broker',
    events: ['revocation.theft'],
  })
  const directory = (...path: string[]): string => {
    mkdirSync(join(dir, ...path), { recursive: true })
    return join(dir, ...path)
  }
  /** Makes the substitutes for the machine's own directories, for one page. */
  const makeRoot = (root: string): void => {
    for (const path of [
      'run/secrets',
      'run/guard',
      'etc/nginx/conf.d',
      'etc/haproxy',
      'etc/broker',
      'var/backups/broker',
      'var/lib/broker',
    ])
      mkdirSync(join(root, path), { recursive: true })
    const secrets = {
      client_secret: world.place('sydney').clientSecret,
      robot,
      reports: 'a'.repeat(43),
      archive: 'b'.repeat(43),
      notes: 'c'.repeat(43),
      'notes-api': 'd'.repeat(43),
    }
    for (const [name, value] of Object.entries(secrets))
      writeFileSync(join(root, 'run/secrets', name), value)
    writeFileSync(join(root, 'etc/broker/signals-secret'), 'a'.repeat(43))
  }
  const trusted = join(dir, 'trusted.p12')
  if (onPath('keytool') !== undefined)
    execFileSync(
      'keytool',
      [
        '-importcert',
        '-noprompt',
        '-alias',
        'b',
        '-file',
        world.caFile,
        '-keystore',
        trusted,
        '-storepass',
        'changeit',
      ],
      {
        stdio: 'pipe',
      },
    )
  symlinkSync(join(ROOT, 'node_modules'), join(dir, 'node_modules'))
  const asProgram = (name: string): string =>
    `exec '${process.execPath}' '${join(import.meta.dirname, 'program.ts')}' ${name} "$@"`
  const cmb = `case " $* " in *" serve "*|*" work "*|*" restore "*|*" lock tenant "*|*" lock client "*) ${asProgram('cmb')};; esac\n${CMB}`
  const stand = Object.fromEntries(PROGRAMS.map((name) => [name, asProgram(name)]))
  const programs = install(dir, { ...stand, cmb, systemctl: 'exit 0', useradd: 'exit 0' })

  let sub = ''
  let sid = ''
  let seq = 0
  const signIn = async (): Promise<void> => {
    const claims = claimsOf(await world.accessToken(world.newBrowser(), world.place('sydney')))
    ;[sid, sub] = [String(claims['sid']), String(claims['sub'])]
  }
  await signIn()
  const first = { selector: { kind: 'session', sid }, case_reference: 'INC-4711' }
  seq = (await admin.send<{ seq: number }>('POST', '/revocations', first)).seq
  await signIn()

  const [adapterPort = 0] = await freePorts(1)
  const nodeAdapter = openAdapter(
    `'${process.execPath}' '${join(ROOT, ADAPTER)}'`,
    completeClock(undefined),
  )
  const adapter = createServer((request, response) => {
    const answer = json(request).then((message) => nodeAdapter.ask(message as Message))
    void answer.then((body) => response.end(JSON.stringify(body)))
  }).listen(adapterPort, '127.0.0.1')
  let queue: ChildProcess | undefined
  let server: Promise<PostgresServer> | undefined
  const postgres = (): Promise<PostgresServer> => (server ??= startPostgres())
  const places = new Map<string, Promise<Place>>()

  async function makePlace(page: string): Promise<Place> {
    const ports = await freePorts(PORTS.length)
    const withPorts = (text: string): string =>
      text.replaceAll(new RegExp(String.raw`\b(?:${PORTS.join('|')})\b`, 'g'), (port) =>
        String(ports[PORTS.indexOf(port as '3000')]),
      )
    const example = /^(examples\/[\w-]+)\/README/.exec(page)?.[1]
    const cwd = directory(example ?? `pages/${page.replaceAll(/\W/g, '-')}`)
    const root = directory('roots', page.replaceAll(/\W/g, '-'))
    makeRoot(root)
    const env: Record<string, string> = {
      PATH: `${programs}:${process.env.PATH ?? ''}`,
      HOME: root,
      LANG: 'C.UTF-8',
      DOCUMENTED_DIR: root,
      DOCUMENTED_PROGRAMS: programs,
      DOCUMENTED_HOME: process.env.HOME ?? '/',
      DOCUMENTED_PORT: String((await freePorts(1))[0]),
      BROKER_DATA_DIR: world.dataDir,
      NODE_EXTRA_CA_CERTS: world.caFile,
      SSL_CERT_FILE: world.caFile,
      REQUESTS_CA_BUNDLE: world.caFile,
      CURL_CA_BUNDLE: world.caFile,
      JAVA_TOOL_OPTIONS: `-Djavax.net.ssl.trustStore=${trusted} -Djavax.net.ssl.trustStorePassword=changeit`,
      XDG_DATA_HOME: cwd,
      XDG_CONFIG_HOME: cwd,
      ISSUER: world.issuer,
      CLIENT: 'robot',
      SECRET: robot,
      SUBJECT: sub,
      SEQ: String(seq),
    }
    if (example !== undefined) {
      cpSync(join(ROOT, example), cwd, { recursive: true })
      cpSync(join(ROOT, 'examples/rules.json'), join(dir, 'examples/rules.json'))
      for (const name of [
        'Caddyfile',
        'envoy.yaml',
        'guard.conf',
        'haproxy.cfg',
        'oauth2-proxy.cfg',
        'guard.yml',
        'traefik.yml',
        'site.conf',
      ]) {
        try {
          writeFileSync(
            join(cwd, name),
            withPorts(readFileSync(join(cwd, name), 'utf8')).replaceAll(
              'https://sign-in.example',
              world.issuer,
            ),
          )
        } catch {
          // The example has no such file.
        }
      }
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `${kind}_temp_path ${cwd}/${kind};`)
        .join(' ')
      const site = `include ${join(root, 'etc/nginx/conf.d/*.conf')};`
      writeFileSync(
        join(cwd, 'nginx.conf'),
        `daemon off; pid ${cwd}/pid; events {} http { access_log off; ${temporary} ${site} }`,
      )
    }
    const place = { cwd, root, env, withPorts }
    await (PREPARED[page]?.(place) ?? Promise.resolve())
    return place
  }

  const run = (args: string[]): string =>
    execFileSync(process.execPath, [join(ROOT, 'dist/src/cli.js'), ...args], {
      env: { ...process.env, BROKER_DATA_DIR: world.dataDir },
    }).toString()
  const PREPARED: Record<string, (place: Place) => Promise<void>> = {
    'README.md': async ({ cwd, env }) => {
      const [port = 0, ops = 0] = await freePorts(2)
      const own = {
        BROKER_DATA_DIR: join(cwd, 'data'),
        BROKER_LISTEN: `127.0.0.1:${port}`,
        BROKER_OPS_LISTEN: `127.0.0.1:${ops}`,
      }
      const unknown = { SUBJECT: 'u_0123456789abcdefghijkl', SEQ: '1' }
      Object.assign(env, own, unknown, {
        DEMO_PORT_BASE: String(await freeBase([0, 1, 2, 3, 4, 5, 6, 11, 12])),
        npm_config_offline: 'true',
      })
      writeFileSync(
        join(cwd, 'clients.yaml'),
        'clients:\n  - client_id: perth\n    client_name: Perth\n    client_secret_hash: 6IAAO68ZK8CzlMHa6ZnKyO6YisOPpmaLznrterrjLc0\n    redirect_uris: [http://localhost:3000/callback]\n',
      )
    },
    'examples/flask/README.md': async ({ env }) => {
      env.DEMO_PORT_BASE = String(await freeBase([0, 1, 2, 11, 12]))
    },
    'docs/cmb.md': async ({ cwd, root }) => {
      mkdirSync(join(root, '.config/fish/completions'), { recursive: true })
      writeFileSync(
        join(cwd, 'signing-keys-archive.json'),
        await (await fetch(`${world.inside}/.well-known/signing-keys-archive`)).text(),
      )
    },
    'docs/guard-serve.md': async ({ cwd }) =>
      writeFileSync(join(cwd, 'rules.json'), blockOf('docs/guard-serve.md', 'json')),
    'docs/operations.md': async ({ root }) =>
      void run(['backup', join(root, `var/backups/broker/broker-${TODAY}-030000.db`)]),
    'docs/shared-signals.md': async ({ env }) => {
      env.token = await tokenOf('gateway', gateway, 'ssf.read ssf.manage')
      env.poller_token = await tokenOf('poller', poller, 'ssf.read ssf.manage')
      const body = JSON.stringify({ delivery: { method: 'urn:ietf:rfc:8936' } })
      const headers = {
        authorization: `Bearer ${env.poller_token}`,
        'content-type': 'application/json',
      }
      const made = await fetch(`${world.inside}/ssf/streams`, { method: 'POST', headers, body })
      env.ENDPOINT_URL = (
        (await made.json()) as { delivery: { endpoint_url: string } }
      ).delivery.endpoint_url
    },
    'docs/webhooks.md': async ({ env }) => {
      env.token = await tokenOf('root', root, 'broker:administer')
      Object.assign(env, {
        PORT: String((await freePorts(1))[0]),
        WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
      })
    },
    'docs/testing-your-instance.md': async ({ cwd }) => {
      writeFileSync(join(cwd, 'users.yaml'), blockOf('docs/testing-your-instance.md', 'yaml'))
      writeFileSync(
        join(cwd, 'clients.yaml'),
        'clients:\n  - client_id: sydney\n    redirect_uris: [http://localhost:3000/callback]\n',
      )
    },
    // A guard that passes every case, instead of the reader's.
    'guard/conformance/README.md': async ({ cwd }) =>
      writeFileSync(
        join(cwd, 'adapter.py'),
        `import os\nos.execv('${process.execPath}', ['node', '${join(ROOT, ADAPTER)}'])\n`,
      ),
    'docs/scale-out.md': async ({ cwd, env }) => {
      const { dir: host } = await postgres()
      mkdirSync(join(cwd, 'data'))
      for (const name of ['broker', 'with-nul']) run(['backup', join(cwd, `data/${name}.db`)])
      Object.assign(env, {
        BROKER_ISSUER: world.issuer,
        BROKER_SECRET: randomBytes(32).toString('hex'),
      })
      env.BROKER_DATABASE_URL = `postgres://broker@/broker?host=${encodeURIComponent(host)}`
      const [port = 0] = await freePorts(1)
      if (QUEUE_SERVER !== undefined)
        queue = spawn(QUEUE_SERVER, ['--port', String(port), '--save', ''], { stdio: 'ignore' })
      env.BROKER_QUEUE_URL = `redis://127.0.0.1:${port}`
    },
  }

  const values = async (
    page: string,
    heading: string,
    root: string,
  ): Promise<[RegExp, string][]> => {
    const guard = `--issuer ${world.issuer} --client-id sydney --audience https://sydney.example --client-secret-file ${root}/run/secrets/client_secret`
    const database = /Move/.test(heading) ? 'moved' : '$2'
    const host = page === 'docs/scale-out.md' ? encodeURIComponent((await postgres()).dir) : ''
    return [
      [
        /https:\/\/(?:login\.case-manager|login|sign-in)\.example(?![\w./])|https:\/\/<issuer>/g,
        world.issuer,
      ],
      [/https:\/\/ops\.example|http:\/\/127\.0\.0\.1:7401/g, world.ops],
      [/postgres:\/\/(\w+)@db\.internal\/(\w+)/g, `'postgres://$1@/${database}?host=${host}'`],
      [/(?<!\w)\/(run|etc|var)\//g, `${root}/$1/`],
      [/broker-2026-11-24/g, `broker-${TODAY}`],
      [/2026-11-01(?= --to)/g, TODAY],
      [/(?<=--to )2026-12-01/g, dayIn(1)],
      [/2026-12-04(?=T17:00)/g, dayIn(3)],
      [/6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11|<tid>|<tenant>|\bTENANT\b(?!=)/g, CONTOSO.tid],
      [/\bu_…/g, sub],
      [/\$token(?=.*\$ENDPOINT_URL)/g, '$poller_token'],
      [/\bs_…/g, sid],
      [/\bwh_(?:9fK)?…/g, hook.id],
      [/(?<=--secret-file )FILE/g, join(root, 'run/secrets/robot')],
      [/(?<=sqlite3 data\/)broker(?=\.db)/g, 'with-nul'],
      [/--from 1200 --to 1300/g, '--from 1 --to 2'],
      [/9000/g, String(adapterPort)],
      [/<client>|(?<= lock client )CLIENT/g, 'sydney'],
      [/\bCOMMAND\b/g, 'status'],
      [
        /\bLOCK\b/g,
        `"$(cmb locks list --json | grep -o 'lk_[A-Za-z0-9_-]*\\|"id": *"[^"]*"' | head -1 | cut -d'"' -f4)"`,
      ],
      [/(?<!INC-)\b4711\b/g, String(seq)],
      [/(?<=ARCHIVE_CLIENT_SECRET=)…/g, world.place('archive').clientSecret],
      [/(?<=CLIENT_ID=reports CLIENT_SECRET=)…/g, world.place('reports').clientSecret],
      [/(?<=COOKIE_SECRET=)…/g, 'the cookie secret of this test, long enough'.replaceAll(' ', '-')],
      [/(?<=CLIENT_SECRET=)…/g, world.place('sydney').clientSecret],
      [/(?<=whsec_)…/g, Buffer.from('a secret of 32 bytes for the test').toString('base64')],
      [
        /(?<=guard serve .*) …$/gm,
        ` ${guard} --listen 127.0.0.1:7410 --local-listen unix:${root}/run/local.sock`,
      ],
    ]
  }

  const place = (page: string): Promise<Place> => {
    const known = places.get(page) ?? makePlace(page)
    places.set(page, known)
    return known
  }

  return {
    world,
    dir,
    postgres,
    place,
    async valued(page, heading, text) {
      if (page === 'README.md') return text
      const { root, withPorts } = await place(page)
      let given = text
      for (const [from, to] of await values(page, heading, root)) given = given.replaceAll(from, to)
      return page.startsWith('examples/') ? withPorts(given) : given
    },
    async tidy(page) {
      await endServers((await place(page)).root)
      if (page !== 'docs/locks.md') return
      const { locks } = await admin.get<{ locks: { id: string; lifted_at?: number | null }[] }>(
        '/locks',
      )
      for (const { id } of locks)
        await admin.send('POST', `/locks/${id}/lift`, {}).catch(() => undefined)
      await signIn()
    },
    async dispose() {
      queue?.kill()
      adapter.close()
      await nodeAdapter.close()
      await (await server)?.stop()
      await world.dispose()
    },
  }
}

/** Returns the first block of that language. */
const blockOf = (page: string, language: string): string =>
  blocksOf(page).find((block) => block.language === language)?.text ?? ''

async function endServers(dir: string): Promise<void> {
  let pids: number[] = []
  try {
    pids = readFileSync(join(dir, 'servers'), 'utf8').trim().split('\n').map(Number)
  } catch {
    return
  }
  writeFileSync(join(dir, 'servers'), '')
  const signal = (name: NodeJS.Signals | 0): number[] =>
    pids.filter((pid) => {
      try {
        return pid > 0 && process.kill(-pid, name)
      } catch {
        return false
      }
    })
  signal('SIGTERM')
  for (const end = Date.now() + 15_000; signal(0).length > 0 && Date.now() < end;)
    await new Promise((done) => setTimeout(done, 50))
  signal('SIGKILL')
}
