/**
 * `npm run bench guard`: requests a second through nginx with `auth_request` to `guard serve`,
 * beside the same nginx with a Node server that always answers 204. Rounds alternate; nginx and the
 * server behind it share one core, the loader has the other. Then checks of tokens and of sessions
 * in one process. The last line is JSON: {"guard","bare","ratio"}, with the median of the rounds'
 * ratios.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLIENT_ID, startIssuer } from './guard/issuer.ts'
import { ownChecks } from './guard/own-checks.ts'
import { requestsPerSecond } from './guard/http-load.ts'
import {
  cores,
  cpuSeconds,
  cpuSecondsOfAll,
  load1,
  pinLoader,
  quantile,
} from './machine/machine.ts'
import { readOptions } from './machine/options.ts'
import { end } from './servers/process.ts'
import { waitFor } from './servers/stage.ts'

const CONNECTIONS = 32
const TOKENS = 200
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 7)
const SECONDS = Number(process.env.BENCH_SECONDS ?? 4)
const GUARD = fileURLToPath(new URL('../../guard/dist/serve/bin.js', import.meta.url))
/** The revocations that a guard in this process is sent at its start. */
const OFFERED = [0, 100_000, 1_000_000]
/** A server that always answers 204, at the socket that it is given. */
const BARE = `require('node:http').createServer((_, answer) => answer.writeHead(204).end()).listen(process.argv[1])`
const NAMES = ['guard', 'bare'] as const
type Name = (typeof NAMES)[number]

const USAGE = `npm run bench guard
  BENCH_ROUNDS=N    rounds of each server (default 7)
  BENCH_SECONDS=S   what a round lasts (default 4)
It needs nginx (apt-get install nginx-light).`

readOptions(USAGE, {})
await compare()

async function compare(): Promise<void> {
  if (spawnSync('nginx', ['-v']).status !== 0)
    throw new Error('nginx is not on the PATH: apt-get install nginx-light')
  const pinned = cores()
  const where = pinLoader(pinned)
  const dir = mkdtempSync(join(tmpdir(), 'cmb-bench-guard-'))
  const issuer = await startIssuer(TOKENS)
  const children: ChildProcess[] = []
  try {
    const pin = (...command: string[]): void => void children.push(start(pinned?.[0], command))
    writeFileSync(join(dir, 'rules.json'), '{ "rules": [{ "path": "/*", "scope": "openid" }] }')
    writeFileSync(join(dir, 'nginx.conf'), nginxConf(dir))
    const flags = {
      issuer: issuer.url,
      'client-id': CLIENT_ID,
      rules: join(dir, 'rules.json'),
      listen: `unix:${dir}/guard.sock`,
    }
    const args = Object.entries({
      ...flags,
      'local-listen': `unix:${dir}/local.sock`,
      'no-lease-status': '403',
    }).flatMap(([flag, value]) => [`--${flag}`, value])
    pin(process.execPath, GUARD, 'serve', ...args)
    pin(process.execPath, '-e', BARE, join(dir, 'bare.sock'))
    await waitFor('guard serve is live', () => isReady(join(dir, 'local.sock')))
    await waitFor('the other server listens', async () => existsSync(join(dir, 'bare.sock')))
    pin('nginx', '-c', join(dir, 'nginx.conf'), '-p', dir, '-e', join(dir, 'error.log'))
    await waitFor('nginx listens', async () => existsSync(join(dir, 'nginx-bare.sock')))
    console.log(
      `Node ${process.version}, ${CONNECTIONS} connections, ${TOKENS} tokens, ${where}; ${ROUNDS} rounds of ${SECONDS} s each, alternating. Load ${load1()}.`,
    )
    const [guard = 0, bare = 0, nginx = 0] = children.map(({ pid = 0 }) => pid)
    await measure(dir, issuer.tokens, { guard, bare, nginx })
  } finally {
    await Promise.all(children.map((child) => end(child)))
    issuer.close()
    rmSync(dir, { recursive: true, force: true })
  }
}

interface Round {
  perSecond: number
  /**
   * CPU time per request in µs, of the server behind nginx and of nginx itself. It is more reliable
   * than the rate where other programs use the cores too.
   */
  asked: number
  nginx: number
}

async function measure(
  dir: string,
  tokens: readonly string[],
  pids: Record<Name | 'nginx', number>,
): Promise<void> {
  const run = async (name: Name, seconds: number): Promise<Round> => {
    const used = (): [number, number] => [cpuSeconds(pids[name]), cpuSecondsOfAll(pids.nginx)]
    const before = used()
    const perSecond = await requestsPerSecond({
      socket: join(dir, `nginx-${name}.sock`),
      tokens,
      connections: CONNECTIONS,
      seconds,
    })
    const [asked, nginx] = used().map(
      (spent, at) => ((spent - (before[at] ?? 0)) / (perSecond * seconds)) * 1e6,
    )
    return { perSecond, asked: asked ?? 0, nginx: nginx ?? 0 }
  }
  for (const name of NAMES) await run(name, 2)
  const rounds: Record<Name, Round[]> = { guard: [], bare: [] }
  for (let round = 1; round <= ROUNDS; round++) {
    for (const name of round % 2 === 0 ? NAMES : NAMES.toReversed())
      rounds[name].push(await run(name, SECONDS))
    console.log(
      `round ${round}  ${NAMES.map((name) => describe(name, rounds[name].at(-1))).join('   ')}`,
    )
  }
  const ratios = rounds.guard.map(
    ({ perSecond }, at) => perSecond / (rounds.bare[at]?.perSecond ?? Number.NaN),
  )
  const median = (name: Name, of: keyof Round): number =>
    Math.round(
      quantile(
        rounds[name].map((round) => round[of]),
        0.5,
      ),
    )
  const microseconds = Object.fromEntries(
    NAMES.map((name) => [name, { asked: median(name, 'asked'), nginx: median(name, 'nginx') }]),
  )
  const rates = {
    guard: median('guard', 'perSecond'),
    bare: median('bare', 'perSecond'),
    ratio: Number(quantile(ratios, 0.5).toFixed(3)),
  }
  const inProcess = []
  for (const offered of OFFERED) {
    const checks = await ownChecks(offered)
    inProcess.push(checks)
    console.log(
      `${offered} revocations, ${checks.kept} kept: live after ${checks.startMs} ms, ${checks.heapMB} MB; a token ${checks.tokenMicroseconds} µs, a session ${checks.sessionMicroseconds} µs, a token with a proof ${checks.provedMicroseconds} µs`,
    )
  }
  console.log(`Load ${load1()}.`)
  console.log(JSON.stringify({ ...rates, microseconds, inProcess }))
}

function describe(name: Name, round: Round | undefined): string {
  const label = name === 'guard' ? 'guard serve' : 'always 204'
  return `${label} ${Math.round(round?.perSecond ?? 0)}/s (${round?.asked.toFixed(0)} + ${round?.nginx.toFixed(0)} µs of nginx)`
}

function start(core: string | undefined, command: string[]): ChildProcess {
  const [program = '', ...args] = core === undefined ? command : ['taskset', '-c', core, ...command]
  return spawn(program, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, GUARD_CLIENT_SECRET: 'bench' },
  })
}

function isReady(socketPath: string): Promise<boolean> {
  return new Promise((done) => {
    get({ socketPath, path: '/readyz' }, (response) =>
      done(response.resume().statusCode === 200),
    ).once('error', () => done(false))
  })
}

/**
 * Returns the configuration of docs/guard-serve.md twice: only the socket of the server behind
 * nginx differs.
 */
function nginxConf(dir: string): string {
  const site = (name: Name): string => `
  upstream ${name} { server unix:${dir}/${name}.sock; keepalive 32; keepalive_requests 1000000000; }
  server {
    listen unix:${dir}/nginx-${name}.sock;
    location / {
      auth_request /_guard;
      auth_request_set $guard_sub $upstream_http_x_guard_sub;
      auth_request_set $guard_roles $upstream_http_x_guard_roles;
      empty_gif;
    }
    location = /_guard {
      internal;
      proxy_pass http://${name};
      proxy_http_version 1.1;
      proxy_pass_request_body off;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_set_header X-Forwarded-Method $request_method;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Uri $request_uri;
    }
  }`
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${dir}/${name};`)
    .join(' ')
  // If root starts nginx, its worker would run as another user, whom the sockets reject.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  return `daemon off; ${user} worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
events { worker_connections 1024; }
http { access_log off; keepalive_requests 1000000000; ${paths} ${NAMES.map(site).join('')}
}
`
}
