import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { adviceFor, apacheModule, findBuilt, OAUTH2_PROXY } from '../../scripts/recipe-needs.mjs'
import type { Browser } from '../browser.ts'
import { onPath } from '../needs.ts'
import { freePorts } from '../process/ports.ts'
import {
  application,
  type ApplicationParts,
  exchanges,
  leaves,
  refreshes,
  signsOut,
  startsAgain,
  tellsPages,
  upgrades,
  usersOnly,
} from './applications.ts'
import { example, NODE, ROOT, type Command } from './program.ts'
import { boundTokenTest } from './bound-token.ts'
import { registrationOf } from './bounds.ts'
import { newDeviceMail } from './new-device-mail.ts'
import { signedInBefore } from './oauth2-proxy.ts'
import {
  configured,
  guardSettings,
  proxy,
  written,
  type Proxy,
  type ProxyParts,
} from './proxies.ts'
import type { Recipe } from './recipe.ts'
import type { Place, World } from './world.ts'

/** The table of recipes. */

/** Returns the first version number in a program's output. */
const versionOf =
  (name: string, file: string, ...args: string[]) =>
  (): string =>
    `${name} ${/\d+(\.\d+)+/.exec(execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))?.[0] ?? '?'}`

const lacks = (name: string, file: string | undefined, packages: string): string | undefined =>
  file === undefined
    ? `${name} is not on the PATH (Debian: apt-get install ${packages}).`
    : undefined

/**
 * Returns the program that recipe-needs.mjs installed or built for a recipe, or why the recipe is
 * skipped.
 */
const made = (name: string): { missing: string | undefined; file: string } => {
  const file = findBuilt(name)
  return { missing: file === undefined ? adviceFor(name) : undefined, file: file ?? '' }
}

/**
 * Returns a proxy's file of examples/ with this run's addresses: each example has the same three.
 */
const configuredProxy = (path: string, { applicationPort, guardPort, port }: ProxyParts): string =>
  configured(path, { 8080: port, 7410: guardPort, 3000: applicationPort })

const NGINX = onPath('nginx')
const HAPROXY = onPath('haproxy')
const CADDY = onPath('caddy')

const behindNginx: Pick<Proxy, 'prepare' | 'settings'> = {
  settings: ['--no-lease-status', '403'],
  prepare(parts) {
    const { directory } = parts
    const site = configuredProxy('nginx/guard.conf', parts)
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${directory}/${name};`)
      .join(' ')
    const whole = `daemon off; pid ${directory}/pid; error_log stderr; events {} http { access_log off; ${paths}\n${site}}`
    return {
      file: NGINX ?? '',
      args: ['-p', directory, '-e', 'stderr', '-c', written(directory, 'nginx.conf', whole)],
    }
  },
}

const nginx = proxy({
  name: 'nginx',
  missing: lacks('nginx', NGINX, 'nginx-light'),
  version: versionOf('nginx', 'sh', '-c', `${NGINX} -v 2>&1`),
  ...behindNginx,
})

const O2P = made('oauth2-proxy')
const oauth2Proxy = signedInBefore({
  name: 'oauth2-proxy',
  missing: O2P.missing ?? nginx.missing,
  version: () => `oauth2-proxy ${OAUTH2_PROXY}`,
  nginx: behindNginx,
  command({ directory, place, upstreamPort, world }) {
    const file = configured('oauth2-proxy/oauth2-proxy.cfg', {
      'https://sign-in.example': world.issuer,
      '"sydney"': `"${place.clientId}"`,
      '"change-me"': `"${place.clientSecret}"`,
      4180: place.port,
      8080: upstreamPort,
      'cookie_secure = true': 'cookie_secure = false',
      // Tokens of 60 s are refreshed before they expire, as those of 300 s.
      'cookie_refresh = "4m"': 'cookie_refresh = "45s"',
    })
    return {
      file: O2P.file,
      args: [
        '--config',
        written(directory, 'oauth2-proxy.cfg', file),
        '--provider-ca-file',
        world.caFile,
      ],
    }
  },
})

const haproxy = proxy({
  name: 'haproxy',
  missing: lacks('HAProxy', HAPROXY, 'haproxy'),
  version: versionOf('HAProxy', HAPROXY ?? '', '-v'),
  settings: [],
  prepare(parts) {
    const { directory } = parts
    written(directory, 'guard.lua', configured('haproxy/guard.lua', {}))
    const file = written(directory, 'haproxy.cfg', configuredProxy('haproxy/haproxy.cfg', parts))
    return { file: HAPROXY ?? '', args: ['-db', '-f', file], cwd: directory }
  },
})

const caddy = proxy({
  name: 'caddy',
  missing: lacks('Caddy', CADDY, 'caddy'),
  version: versionOf('Caddy', CADDY ?? '', 'version'),
  settings: [],
  prepare(parts) {
    const { directory } = parts
    const file = written(directory, 'Caddyfile', configuredProxy('caddy/Caddyfile', parts))
    const args = ['run', '--adapter', 'caddyfile', '--config', file]
    return {
      file: CADDY ?? '',
      args,
      env: { XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
    }
  },
})

const TRAEFIK = made('traefik')
const traefik = proxy({
  name: 'traefik',
  missing: TRAEFIK.missing,
  version: versionOf('Traefik', TRAEFIK.file, 'version'),
  unavailableStatus: 500,
  settings: [],
  prepare(parts) {
    const { directory } = parts
    written(
      directory,
      'guard.yml',
      configured('traefik/guard.yml', { 7410: parts.guardPort, 3000: parts.applicationPort }),
    )
    const file = written(
      directory,
      'traefik.yml',
      configured('traefik/traefik.yml', { 8080: parts.port }),
    )
    return { file: TRAEFIK.file, args: ['--configFile', file], cwd: directory }
  },
})

const ENVOY = made('envoy')
const envoy = proxy({
  name: 'envoy',
  missing: ENVOY.missing,
  version: versionOf('Envoy', ENVOY.file, '--version'),
  settings: ['--request-from', 'request', '--path-prefix', '/check'],
  prepare(parts) {
    const file = written(parts.directory, 'envoy.yaml', configuredProxy('envoy/envoy.yaml', parts))
    // Several Envoys may run on one machine, so they must not share memory for a hot restart.
    return {
      file: ENVOY.file,
      args: [
        '--config-path',
        file,
        '--disable-hot-restart',
        '--concurrency',
        '1',
        '--log-level',
        'warning',
      ],
    }
  },
})

/** Returns the version of an npm package that is installed here. */
const packaged = (name: string) => (): string => {
  const { version } = JSON.parse(
    readFileSync(`${ROOT}/node_modules/${name}/package.json`, 'utf8'),
  ) as { version: string }
  return `${name} ${version}`
}

/** The paths of an application whose start page has the button "Sign in with Microsoft". */
const BUTTON = { login: '/', callback: '/callback', me: '/me' }
const SKIPS_PAGE = { skip_sign_in_page: true }

const express = application({
  name: 'express',
  missing: undefined,
  version: packaged('express-openid-connect'),
  registration: SKIPS_PAGE,
  bound: { page: 'lease', api: 'lease' },
  signIn: { ...BUTTON, logout: '/oidc/backchannel-logout' },
  api: '/api/me',
  command: () => ({ file: NODE, args: [example('express/server.mjs')] }),
  more: tellsPages,
})

const fastify = application({
  name: 'fastify',
  missing: undefined,
  version: packaged('fastify'),
  registration: SKIPS_PAGE,
  bound: { page: 'lease', api: 'lease' },
  signIn: { ...BUTTON, logout: '/oidc/backchannel-logout' },
  api: '/api/me',
  // Its tokens are valid for 300 s, so each is refreshed when it is 2 s old.
  command: () => ({
    file: NODE,
    args: [example('fastify/server.mjs')],
    env: { REFRESH_BEFORE_SECONDS: '298' },
  }),
  more: (running) => {
    refreshes(running)
    tellsPages(running)
  },
})

const FASTAPI = made('fastapi')
const fastapi = application({
  name: 'fastapi',
  missing: FASTAPI.missing,
  version: versionOf('FastAPI', FASTAPI.file, '-c', 'import fastapi; print(fastapi.__version__)'),
  api: '/api/me',
  bound: { api: 'lease' },
  ready: '/healthz',
  command: ({ place }) => ({
    file: FASTAPI.file,
    args: [
      '-m',
      'uvicorn',
      '--app-dir',
      example('fastapi'),
      '--port',
      String(place.port),
      'app:app',
    ],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  }),
})

const FLASK = made('flask')
const flask = application({
  name: 'flask',
  missing: FLASK.missing,
  version: versionOf('Authlib', FLASK.file, '-c', 'import authlib; print(authlib.__version__)'),
  registration: SKIPS_PAGE,
  bound: { page: 'lease', api: 'lease' },
  signIn: { ...BUTTON, logout: '/oidc/backchannel-logout', signedOut: '/signed-out' },
  api: '/api/me',
  more: signsOut,
  command: ({ place }) => ({
    file: FLASK.file,
    args: ['-m', 'flask', '--app', example('flask/app.py'), 'run', '--port', String(place.port)],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  }),
})

const apache = (module: string) => ({
  missing: existsSync(apacheModule(module))
    ? undefined
    : `mod_${module} is not installed (Debian: apt-get install libapache2-mod-${module.replace('_', '-')}).`,
  version: versionOf(
    `mod_${module}`,
    'dpkg-query',
    '-W',
    '-f',
    '${Version}',
    `libapache2-mod-${module.replace('_', '-')}`,
  ),
  /** Adds the site to Debian's own configuration. */
  command(directory: string, site: string, more = ''): Command {
    const modules = [
      'mpm_event',
      'authn_core',
      'authz_core',
      'authz_user',
      'headers',
      'proxy',
      'proxy_http',
      module,
    ]
    const load = modules.map((name) => `LoadModule ${name}_module ${apacheModule(name)}`)
    const own = [
      `ServerRoot ${directory}`,
      `DefaultRuntimeDir ${directory}`,
      'PidFile pid',
      'ErrorLog error.log',
      'ServerName 127.0.0.1',
      'User www-data',
    ]
    const file = written(
      directory,
      'apache2.conf',
      [...load, ...own, 'Group www-data', more, site].join('\n'),
    )
    return { file: 'apache2', args: ['-X', '-f', file] }
  },
})

const OPENIDC = apache('auth_openidc')
const apacheOpenidc = application({
  name: 'apache',
  ...OPENIDC,
  bound: { page: 'access_token' },
  signIn: {
    login: '/',
    callback: '/oidc/callback',
    logout: '/oidc/callback?logout=backchannel',
    me: '/data/me',
  },
  command({ applicationPort, directory, place: { clientId, clientSecret, port }, world }) {
    const site = configured('apache/site.conf', {
      'https://sign-in.example': world.issuer,
      'OIDCClientID sydney': `OIDCClientID ${clientId}`,
      'OIDCClientSecret change-me': `OIDCClientSecret ${clientSecret}`,
      // So that a token of 60 s is not refreshed at each request.
      'BeforeExpiry 60': 'BeforeExpiry 10',
      8080: port,
      3000: applicationPort,
    })
    return OPENIDC.command(directory, site, `OIDCCABundlePath ${world.caFile}`)
  },
  more: upgrades('/data/me', async ({ place, signIn, world }) => {
    const browser = world.newBrowser()
    await signIn(browser)
    return `Cookie: ${browser.cookies.header(place.baseUrl)}`
  }),
})

const OAUTH2 = apache('oauth2')
const apacheOauth2 = application({
  name: 'apache-oauth2',
  ...OAUTH2,
  bound: { api: 'question' },
  api: '/me',
  command({ applicationPort, directory, place: { clientId, clientSecret, port }, world }) {
    const site = configured('apache-oauth2/site.conf', {
      // The module has no setting for an own certificate authority.
      'https://sign-in.example': world.plain,
      'client_id=sydney': `client_id=${clientId}`,
      'client_secret=change-me': `client_secret=${clientSecret}`,
      8080: port,
      3000: applicationPort,
    })
    return OAUTH2.command(directory, site)
  },
  more: upgrades(
    '/me',
    async ({ place, world }) =>
      `Authorization: Bearer ${await world.accessToken(world.newBrowser(), place)}`,
  ),
})

/** Returns the command of an application with `guard serve` beside it, and where it asks. */
async function besideGuard(
  application: string,
  { place, world }: { place: Place; world: World },
): Promise<Command & { env: Record<string, string> }> {
  const [guardPort = 0, localPort = 0] = await freePorts(2)
  const serve = `${NODE} ${ROOT}/guard/dist/serve/bin.js serve --rules ${example('rules.json')}`
  return {
    file: 'sh',
    // Both are in the process group that the test ends.
    args: ['-c', `${serve} & exec ${application}`],
    env: {
      GUARD: `http://127.0.0.1:${guardPort}`,
      GUARD_LOCAL: `http://127.0.0.1:${localPort}`,
      GUARD_SESSIONS: 'yes',
      ...guardSettings(place, world, guardPort, localPort),
    },
  }
}

/** Fields of the registration of a client that gets tokens for itself too. */
const ALSO_FOR_ITSELF = {
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
}

const GO = made('go')
const inGo: Omit<ApplicationParts, 'name' | 'bound' | 'command'> = {
  missing: GO.missing,
  version: versionOf('go-oidc', 'sh', '-c', `grep go-oidc ${example('go/go.mod')} | cut -d' ' -f2`),
  registration: { ...SKIPS_PAGE, ...ALSO_FOR_ITSELF },
  api: '/api/me',
  more: usersOnly,
}
const go = application({
  ...inGo,
  name: 'go',
  bound: { page: 'access_token', api: 'question' },
  signIn: { ...BUTTON, logout: '/oidc/backchannel-logout', unknownKey: 400 },
  command: () => ({ file: GO.file }),
})
const goBesideGuard = application({
  ...inGo,
  name: 'go-guard',
  bound: { page: 'lease', api: 'lease' },
  signIn: BUTTON,
  more(running) {
    usersOnly(running)
    boundTokenTest('/api/me', running)
  },
  command: (of) => besideGuard(GO.file, of),
})

/** Without trace logs Spring reports only that a sign-in failed. */
const WHY_REJECTED = '--logging.level.org.springframework.security.web.authentication=TRACE'
const SPRING = made('spring')
const spring = application({
  name: 'spring',
  missing: SPRING.missing,
  version: versionOf(
    'Spring Boot',
    'sh',
    '-c',
    `grep -A1 spring-boot-starter-parent ${example('spring/pom.xml')}`,
  ),
  signIn: {
    login: '/me',
    callback: '/login/oauth2/code/broker',
    logout: '/logout/connect/back-channel/broker',
    me: '/me',
  },
  registration: ALSO_FOR_ITSELF,
  bound: { page: 'logout_token', api: 'question' },
  api: '/api/me',
  more: usersOnly,
  command({ directory, place, world }) {
    const trusted = `${directory}/trusted.p12`
    const store = ['-keystore', trusted, '-storepass', 'changeit', '-storetype', 'PKCS12']
    execFileSync(
      'keytool',
      ['-importcert', '-noprompt', '-alias', 'broker', '-file', world.caFile, ...store],
      { stdio: 'pipe' },
    )
    const trust = [
      `-Djavax.net.ssl.trustStore=${trusted}`,
      '-Djavax.net.ssl.trustStorePassword=changeit',
    ]
    return {
      file: 'java',
      args: [
        '-XX:TieredStopAtLevel=1',
        '-Xmx256m',
        ...trust,
        '-jar',
        SPRING.file,
        `--server.port=${place.port}`,
        WHY_REJECTED,
      ],
    }
  },
})

const ASPNET = made('aspnet')
const inAspnet = {
  missing: ASPNET.missing,
  version: versionOf(
    'ASP.NET Core',
    'sh',
    '-c',
    `grep OpenIdConnect ${example('aspnet/aspnet.csproj')}`,
  ),
  ready: '/api/me',
  async command(of) {
    const { env, ...rest } = await besideGuard(`dotnet ${ASPNET.file}`, of)
    return {
      ...rest,
      env: {
        ...env,
        ASPNETCORE_URLS: of.place.baseUrl,
        DOTNET_CLI_TELEMETRY_OPTOUT: '1',
        REFRESH_BEFORE_SECONDS: '298',
      },
    }
  },
} satisfies Partial<ApplicationParts>
const SIGN_IN_ASPNET = { login: '/me', callback: '/oidc/callback', me: '/me' }
const aspnet = application({
  ...inAspnet,
  name: 'aspnet',
  bound: { page: 'lease', api: 'lease' },
  signIn: {
    ...SIGN_IN_ASPNET,
    logout: '/oidc/backchannel-logout',
    signedOut: '/signout-callback-oidc',
  },
  api: '/api/me',
  more: (running) => {
    refreshes(running)
    const leave = async (browser: Browser, baseUrl: string) =>
      browser.submit(await browser.get(`${baseUrl}/`), {}, 'Sign out')
    leaves(running, leave, '/')
    startsAgain(running, { callback: '/oidc/callback', link: 'href="/me"', signedIn: 'Sign out' })
  },
})
/** No logout token reaches it: its sessions end because they ask `guard serve`. */
const aspnetByGuard = application({
  ...inAspnet,
  name: 'aspnet-guard',
  bound: { page: 'lease' },
  signIn: SIGN_IN_ASPNET,
})

const NEXT = made('nextjs')
const nextjs = application({
  name: 'nextjs',
  missing: NEXT.missing,
  version: versionOf(
    'Next.js',
    NODE,
    '-p',
    `require(${JSON.stringify(example('nextjs/package.json'))}).dependencies.next`,
  ),
  registration: SKIPS_PAGE,
  bound: { page: 'lease', api: 'lease' },
  signIn: { ...BUTTON, logout: '/oidc/backchannel-logout' },
  api: '/api/me',
  command: ({ place }) => ({
    file: NODE,
    args: [NEXT.file, 'start', '--hostname', '127.0.0.1', '--port', String(place.port)],
    cwd: resolve(NEXT.file, '../../../../..'),
    env: { NEXT_TELEMETRY_DISABLED: '1' },
  }),
  more: tellsPages,
})

const serviceToService = application({
  name: 'service-to-service',
  missing: undefined,
  bound: { api: 'lease' },
  version: packaged('openid-client'),
  api: '/users',
  registration: {
    grant_types: [
      'authorization_code',
      'refresh_token',
      'client_credentials',
      'urn:ietf:params:oauth:grant-type:token-exchange',
    ],
    scope: 'openid profile email offline_access cases:read',
    resources: ['urn:case-manager:instance:archive'],
  },
  other: {
    name: 'archive',
    registration: () => ({ ...registrationOf(), exchange_from: ['service-to-service'] }),
  },
  command({ world }) {
    const archive = world.place('archive')
    const env = {
      ARCHIVE_URL: archive.baseUrl,
      ARCHIVE_CLIENT_ID: archive.clientId,
      ARCHIVE_CLIENT_SECRET: archive.clientSecret,
    }
    const asArchive =
      'CLIENT_ID=$ARCHIVE_CLIENT_ID CLIENT_SECRET=$ARCHIVE_CLIENT_SECRET BASE_URL=$ARCHIVE_URL'
    const [archiveProgram, reports] = ['archive', 'reports'].map((name) =>
      example(`service-to-service/${name}.mjs`),
    )
    const archiveAnswers = `${NODE} --input-type=module -e 'await fetch(process.env.ARCHIVE_URL)' 2> /dev/null`
    // Both are in the process group that the test ends.
    const both = `${asArchive} ${NODE} ${archiveProgram} & until ${archiveAnswers}; do :; done; exec ${NODE} ${reports}`
    return { file: 'sh', args: ['-c', both], env }
  },
  more: exchanges,
})

export const RECIPES: readonly Recipe[] = [
  nginx,
  haproxy,
  caddy,
  traefik,
  envoy,
  oauth2Proxy,
  express,
  fastify,
  nextjs,
  fastapi,
  flask,
  apacheOpenidc,
  apacheOauth2,
  go,
  goBesideGuard,
  spring,
  aspnet,
  aspnetByGuard,
  serviceToService,
  newDeviceMail({ name: 'new-device-mail', version: packaged('nodemailer') }),
]
