import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { adviceFor, findBuilt } from '../../scripts/recipe-needs.mjs'
import { onPath } from '../needs.ts'
import { application, refreshes } from './applications.ts'
import { example, NODE, ROOT } from './program.ts'
import { configured, proxy, written } from './proxies.ts'
import type { Recipe } from './recipe.ts'

/** The table of recipes. */

/** The first version number in what a program says. */
const versionOf =
  (name: string, file: string, ...args: string[]) =>
  (): string =>
    `${name} ${/\d+(\.\d+)+/.exec(execFileSync(file, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }))?.[0] ?? '?'}`

const lacks = (name: string, file: string | undefined, packages: string): string | undefined =>
  file === undefined ? `${name} is not on the PATH (Debian: apt-get install ${packages}).` : undefined

const NGINX = onPath('nginx')
const HAPROXY = onPath('haproxy')
const CADDY = onPath('caddy')

const nginx = proxy({
  name: 'nginx',
  missing: lacks('nginx', NGINX, 'nginx-light'),
  version: versionOf('nginx', 'sh', '-c', `${NGINX} -v 2>&1`),
  staleStatus: '403',
  prepare({ applicationPort, directory, guardPort, port }) {
    const site = configured('nginx/guard.conf', { 8080: port, 7410: guardPort, 3000: applicationPort })
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')
    const whole = `daemon off; pid ${directory}/pid; error_log stderr; events {} http { access_log off; ${paths}\n${site}}`
    return { file: NGINX ?? '', args: ['-p', directory, '-e', 'stderr', '-c', written(directory, 'nginx.conf', whole)] }
  },
})

const haproxy = proxy({
  name: 'haproxy',
  missing: lacks('HAProxy', HAPROXY, 'haproxy'),
  version: versionOf('HAProxy', HAPROXY ?? '', '-v'),
  prepare({ applicationPort, directory, guardPort, port }) {
    written(directory, 'guard.lua', configured('haproxy/guard.lua', {}))
    const text = configured('haproxy/haproxy.cfg', { 8080: port, 7410: guardPort, 3000: applicationPort })
    return { file: HAPROXY ?? '', args: ['-db', '-f', written(directory, 'haproxy.cfg', text)], cwd: directory }
  },
})

const caddy = proxy({
  name: 'caddy',
  missing: lacks('Caddy', CADDY, 'caddy'),
  version: versionOf('Caddy', CADDY ?? '', 'version'),
  prepare({ applicationPort, directory, guardPort, port }) {
    const text = configured('caddy/Caddyfile', { 8080: port, 7410: guardPort, 3000: applicationPort })
    const args = ['run', '--adapter', 'caddyfile', '--config', written(directory, 'Caddyfile', text)]
    return { file: CADDY ?? '', args, env: { XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory } }
  },
})

/** The version of an npm package, as it is installed here. */
const packaged = (name: string) => (): string => {
  const { version } = JSON.parse(readFileSync(`${ROOT}/node_modules/${name}/package.json`, 'utf8')) as { version: string }
  return `${name} ${version}`
}

const express = application({
  name: 'express',
  missing: undefined,
  version: packaged('express-openid-connect'),
  signIn: { login: '/login', callback: '/callback', logout: '/backchannel-logout', me: '/me' },
  api: '/api/me',
  command: () => ({ file: NODE, args: [example('express/server.mjs')] }),
})

const fastify = application({
  name: 'fastify',
  missing: undefined,
  version: packaged('fastify'),
  signIn: { login: '/login', callback: '/callback', logout: '/oidc/backchannel-logout', me: '/me' },
  api: '/api/me',
  // Its tokens live for 300 s: each is refreshed when it is 2 s old.
  command: () => ({ file: NODE, args: [example('fastify/server.mjs')], env: { REFRESH_BEFORE_SECONDS: '298' } }),
  more: refreshes,
})

const FLASK = findBuilt('flask')
const flask = application({
  name: 'flask',
  missing: FLASK === undefined ? adviceFor('flask') : undefined,
  version: versionOf('Authlib', FLASK ?? '', '-c', 'import authlib; print(authlib.__version__)'),
  signIn: { login: '/login', callback: '/callback', logout: '/oidc/backchannel-logout', me: '/me' },
  command: ({ place }) => ({
    file: FLASK ?? '',
    args: ['-m', 'flask', '--app', example('flask/app.py'), 'run', '--port', String(place.port)],
    env: { PYTHONDONTWRITEBYTECODE: '1' },
  }),
})

export const RECIPES: readonly Recipe[] = [nginx, haproxy, caddy, express, fastify, flask]
