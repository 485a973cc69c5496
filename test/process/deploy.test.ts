import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { get as httpGet, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { openBroker } from '../../src/operations/command/broker.ts'
import { newCertificate } from '../demo-entra/certificate.ts'
import { type BrokerProcess, prepareBroker, until } from './broker-process.ts'
import { freePorts } from './ports.ts'

/**
 * The examples of deploy/, each with the real proxy, where this machine has it, in front of a
 * broker; and what docs/deploy.md does about a lost secret.
 */

const HOST = 'login.case-manager.example'
const SECRET = 'cms_0123456789012345678901234567890123456789012'
const text = (name: string): string =>
  readFileSync(resolve(import.meta.dirname, '../../deploy', name), 'utf8')
const pathOf = (program: string): string | undefined =>
  [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
    .map((dir) => join(dir, program))
    .find((path) => existsSync(path))

interface Place {
  dir: string
  http: number
  https: number
  certificate: string
  key: string
  /** Returns the output of the proxy. */
  said: () => string
}
interface Proxy {
  program: string
  /**
   * The file of deploy/ with this machine's ports and certificate, and what the distribution's own
   * file has around it.
   */
  config: (place: Place, upstream: string) => string
  args: (file: string, dir: string) => string[]
}
const APACHE_MODULES = '/usr/lib/apache2/modules'
const isRoot = process.getuid?.() === 0
const withPorts = (
  config: string,
  { dir, http, https, certificate, key }: Place,
  upstream: string,
): string =>
  config
    .replaceAll(/\/var\/log\/(nginx|apache2)/g, join(dir, 'logs'))
    .replace('listen 80;', `listen 127.0.0.1:${http};`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${https} ssl;`)
    .replace('<VirtualHost *:80>', `<VirtualHost 127.0.0.1:${http}>`)
    .replace('<VirtualHost *:443>', `<VirtualHost 127.0.0.1:${https}>`)
    .replace('/etc/ssl/broker.pem', certificate)
    .replace('/etc/ssl/broker.key', key)
    .replaceAll('127.0.0.1:7400', upstream)

const PROXIES: Record<string, Proxy> = {
  'nginx.conf': {
    program: 'nginx',
    config: (place, upstream) => `${isRoot ? 'user root;\n' : ''}daemon off;
pid ${place.dir}/nginx.pid;
error_log ${place.dir}/logs/error.log;
events {}
http {
  access_log ${place.dir}/logs/access.log;
  ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${place.dir}/${name};`).join('\n  ')}
  ${withPorts(text('nginx.conf'), place, upstream)}
}
`,
    args: (file, dir) => ['-p', dir, '-c', file],
  },
  Caddyfile: {
    program: 'caddy',
    config: (place, upstream) =>
      withPorts(text('Caddyfile'), place, upstream)
        .replace('\n{', `\n{\n\tadmin off\n\thttp_port ${place.http}\n\thttps_port ${place.https}`)
        .replace(
          `\n${HOST} {`,
          `\n${HOST} {\n\tbind 127.0.0.1\n\ttls ${place.certificate} ${place.key}`,
        ),
    args: (file) => ['run', '--adapter', 'caddyfile', '--config', file],
  },
  'apache.conf': {
    program: existsSync(APACHE_MODULES) ? 'apache2' : 'no-apache',
    config: (place, upstream) => `ServerRoot ${place.dir}
PidFile ${place.dir}/apache.pid
ServerName localhost
ErrorLog ${place.dir}/logs/error.log
LogFormat "%h %l %u %t \\"%r\\" %>s %O \\"%{Referer}i\\"" combined
CustomLog ${place.dir}/logs/access.log combined
${isRoot ? 'User www-data\nGroup www-data' : ''}
${['mpm_event', 'authz_core', 'socache_shmcb', 'alias', 'headers', 'proxy', 'proxy_http', 'ssl'].map((name) => `LoadModule ${name}_module ${APACHE_MODULES}/mod_${name}.so`).join('\n')}
Listen 127.0.0.1:${place.http}
Listen 127.0.0.1:${place.https}
${withPorts(text('apache.conf'), place, upstream)}
`,
    args: (file, dir) => ['-D', 'FOREGROUND', '-d', dir, '-f', file],
  },
}

const installed = Object.keys(PROXIES).filter(
  (name) => pathOf(PROXIES[name]?.program ?? '') !== undefined,
)

let prepared: Awaited<ReturnType<typeof prepareBroker>>
let broker: BrokerProcess
/**
 * The functions that remove the proxies. A proxy that ends waits for its requests, and keeps a feed
 * that the client has left, so that the broker ends first.
 */
const removals: (() => Promise<void>)[] = []
beforeAll(async () => {
  if (installed.length === 0) return
  prepared = await prepareBroker({
    issuer: `https://${HOST}`,
    clients: [
      {
        client_id: 'sydney',
        client_name: 'Sydney',
        client_secret: SECRET,
        redirect_uris: ['https://sydney.example/callback'],
      },
    ],
    env: { BROKER_TRUSTED_PROXIES: '127.0.0.1/32' },
  })
  broker = prepared.broker
  await broker.start()
})
afterAll(async () => {
  await prepared?.dispose()
  await Promise.all(removals.map((remove) => remove()))
})

/**
 * Starts a proxy, and waits until it answers.
 * @param upstream if no broker listens there, the proxy is up once it gives `answer`
 */
async function start(
  name: string,
  upstream = broker.env.BROKER_LISTEN ?? '',
  answer = 200,
): Promise<Place> {
  const proxy = PROXIES[name] ?? expect.fail(name)
  const dir = mkdtempSync(join(tmpdir(), 'cmb-deploy-'))
  const [http = 0, https = 0] = await freePorts(2)
  let said = ''
  const place: Place = {
    dir,
    http,
    https,
    certificate: join(dir, 'broker.pem'),
    key: join(dir, 'broker.key'),
    said: () => said,
  }
  const { certificate, privateKey } = newCertificate(undefined, HOST)
  writeFileSync(place.certificate, certificate)
  writeFileSync(place.key, privateKey)
  mkdirSync(join(dir, 'logs'))
  const file = join(dir, name)
  writeFileSync(file, proxy.config(place, upstream))
  const child: ChildProcess = spawn(pathOf(proxy.program) ?? proxy.program, proxy.args(file, dir), {
    env: { PATH: process.env.PATH ?? '', HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  removals.push(async () => {
    child.kill('SIGTERM')
    await gone
    rmSync(dir, { recursive: true, force: true })
  })
  const ended = gone.then(() => Promise.reject(new Error(`${proxy.program} ended: ${said}`)))
  ended.catch(() => undefined)
  await Promise.race([
    until(
      `${proxy.program} serves`,
      async () => (await ask(place, '/healthz')).statusCode === answer,
      100,
    ),
    ended,
  ])
  return place
}

/** Settles with the head of the answer. */
const ask = (
  { https }: Place,
  path: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string } = {},
): Promise<IncomingMessage> =>
  new Promise((answered, failed) => {
    const method = body === undefined ? 'GET' : 'POST'
    const host = {
      host: '127.0.0.1',
      port: https,
      servername: HOST,
      rejectUnauthorized: false,
      agent: false,
    }
    const request = httpsRequest(
      { ...host, method, path, headers: { host: HOST, ...headers } },
      answered,
    )
    request.once('error', failed)
    request.end(body)
  })

const authorization = `Basic ${Buffer.from(`sydney:${SECRET}`).toString('base64')}`

for (const name of installed) {
  describe(`deploy/${name}`, () => {
    test('ends TLS with HSTS, redirects http, passes events of the feed on at once, and lets no client choose its address', async () => {
      const place = await start(name)
      const metadata = await ask(place, '/.well-known/openid-configuration')
      expect([metadata.statusCode, metadata.headers['strict-transport-security']]).toEqual([
        200,
        'max-age=63072000',
      ])
      metadata.resume()
      const redirect = await new Promise<IncomingMessage>((answered) => {
        httpGet(
          { host: '127.0.0.1', port: place.http, path: '/authorize?a=b', headers: { host: HOST } },
          answered,
        )
      })
      expect(redirect.statusCode).toBe(308)
      expect(redirect.headers.location?.replace(`:${place.https}`, '')).toBe(
        `https://${HOST}/authorize?a=b`,
      )
      redirect.resume()

      const client = `forged-by-${name}`
      const forged = await ask(place, '/token', {
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          'x-forwarded-for': '203.0.113.9',
        },
        body: `grant_type=client_credentials&client_id=${client}&client_secret=wrong`,
      })
      expect([forged.statusCode, forged.headers['strict-transport-security']]).toEqual([
        401,
        'max-age=63072000',
      ])
      forged.resume()
      const line = await until('the log has it', () =>
        broker.output.split('\n').find((candidate) => candidate.includes(`"${client}"`)),
      )
      expect(JSON.parse(line)).toMatchObject({ event: 'client_rejected', from: '127.0.0.1' })

      const feed = await ask(place, `/revocations?guard=${name}`, {
        headers: { authorization, accept: 'text/event-stream' },
      })
      expect([feed.statusCode, feed.headers['content-type']]).toEqual([
        200,
        expect.stringContaining('text/event-stream'),
      ])
      let read = ''
      feed.on('data', (chunk: Buffer) => (read += chunk.toString()))
      feed.on('error', () => {})
      await until('the feed begins', () => read.includes('\n\n'))
      const admin = await openBroker(
        {
          env: {},
          out: () => {},
          err: () => {},
          user: 'test',
          ask: undefined,
          input: async () => '',
        },
        broker.env.BROKER_DATA_DIR ?? '',
      )
      const { seq } = await admin.send<{ seq: number }>('POST', '/revocations', {
        selector: { kind: 'client', client_id: 'sydney' },
        case_reference: 'INC-1',
      })
      // The event is small: a proxy that buffers answers would keep it.
      await until('the feed has the revocation', () =>
        new RegExp(String.raw`^id: ?\S*\b${seq}$`, 'm').test(read),
      )
      feed.destroy()
    }, 300_000)

    test('writes no query and no referrer to a log, not even of a request that fails', async () => {
      const [closed] = await freePorts(1)
      const place = await start(name, `127.0.0.1:${closed}`, name === 'apache.conf' ? 503 : 502)
      const headers = { referer: `https://${HOST}/signin/callback?code=c0de-of-the-referrer` }
      ;(await ask(place, '/signin/callback?code=c0de-of-the-query', { headers })).resume()
      ;(
        await ask(place, '/token?code=c0de-of-the-query', { headers, body: 'x'.repeat(2_000_000) })
      ).resume()
      const redirect = {
        host: '127.0.0.1',
        port: place.http,
        path: '/authorize?code=c0de-of-the-query',
        headers: { host: HOST, ...headers },
      }
      await new Promise<void>((done) =>
        httpGet(redirect, (answer) => answer.resume().once('end', done)),
      )
      const logs = (): string =>
        [
          place.said(),
          ...readdirSync(join(place.dir, 'logs')).map((log) =>
            readFileSync(join(place.dir, 'logs', log), 'utf8'),
          ),
        ].join('')
      await until(
        'the log has the path',
        () => logs().includes('/signin/callback') && /\/token\b/.test(logs()),
      )
      expect(logs()).not.toContain('c0de')
    }, 300_000)
  })
}

test('a lost BROKER_SECRET: the broker says so, and starts under a new one after a restore of its own data', async () => {
  const { broker: lost, dispose } = await prepareBroker()
  onTestFinished(dispose)
  await lost.start()
  await lost.end('SIGTERM')
  lost.env.BROKER_SECRET = randomBytes(32).toString('hex')
  await expect(lost.start()).rejects.toThrow(
    /ended \(2\)[^]*BROKER_SECRET: .*under a secret that is not in it/,
  )
  const data = lost.env.BROKER_DATA_DIR ?? ''
  const copy = join(lost.dataDir, 'copy.db')
  writeFileSync(copy, readFileSync(join(data, 'broker.db')))
  const cli = resolve(import.meta.dirname, '../../dist/src/cli.js')
  const restore = spawn(process.execPath, [cli, 'restore', copy, '--yes'], {
    env: { PATH: process.env.PATH ?? '', ...lost.env },
    stdio: 'ignore',
  })
  expect(await new Promise((done) => restore.once('exit', done))).toBe(0)
  await lost.start()
  expect((await fetch(`http://${lost.env.BROKER_LISTEN}/healthz`)).status).toBe(200)
}, 300_000)
