import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { IDENTITY_NAMES } from '../../../guard/src/serve/identity.ts'
import { ask, startServe } from './rig.ts'

/** Traefik and Envoy are not run here: what their documentation says that they send, and the settings of docs/guard-serve.md as data. */

const page = readFileSync(new URL('../../../docs/guard-serve.md', import.meta.url), 'utf8')
const settingsOf = (proxy: string): unknown => {
  const [, yaml] = new RegExp(`### ${proxy}\\n[\\s\\S]*?\`\`\`yaml\\n([\\s\\S]*?)\`\`\``).exec(page) ?? []
  return parse(yaml ?? expect.fail(`no settings of ${proxy}`))
}
const NAMES = IDENTITY_NAMES.map((name) => `X-Guard-${name}`)

describe('Traefik ForwardAuth', () => {
  /** GET to the address, with the headers of the client but those of a connection, and these of its own (`trustForwardHeader: false` replaces the client's). */
  const shape = (uri: string, client: string[]): string[] => [
    ...['Host', '127.0.0.1:7410', 'User-Agent', 'curl/8.5.0', 'Accept', '*/*', 'X-Forwarded-For', '192.0.2.7', 'X-Forwarded-Method', 'POST'],
    ...['X-Forwarded-Proto', 'https', 'X-Forwarded-Host', 'cases.example', 'X-Forwarded-Uri', uri, 'X-Forwarded-Server', 'traefik-1', ...client],
  ]

  test('its request is understood: let through, 401 and 403', async () => {
    const { broker, serving } = await startServe()
    const bearer = ['Authorization', `Bearer ${await broker.token()}`]
    const statusOf = async (uri: string, client: string[]) => (await ask(serving.checkAddress, shape(uri, client))).status
    expect([await statusOf('/api/cases?of=mine', bearer), await statusOf('/api/cases', []), await statusOf('/elsewhere', bearer)]).toEqual([
      200, 401, 403,
    ])
    expect(await statusOf('/api/cases', [...bearer, 'X-Guard-Sub', 'forged'])).toBe(403)
  })

  test('the settings copy every identity header, and trust no header of the client', () => {
    const { http } = settingsOf('Traefik') as { http: { middlewares: { guard: { forwardAuth: Record<string, string | boolean> } } } }
    const { authResponseHeadersRegex, trustForwardHeader } = http.middlewares.guard.forwardAuth
    expect(trustForwardHeader).toBe(false)
    expect(NAMES.filter((name) => !new RegExp(String(authResponseHeadersRegex)).test(name))).toEqual([])
  })
})

describe('Envoy ext_authz over HTTP', () => {
  interface Filter {
    typed_config: {
      failure_mode_allow: boolean
      status_on_error: { code: string }
      http_service: {
        path_prefix: string
        authorization_request: { allowed_headers: { patterns: { exact?: string; safe_regex?: { regex: string } }[] } }
        authorization_response: { allowed_upstream_headers: { patterns: { prefix: string }[] } }
      }
    }
  }
  const [{ typed_config: config }] = (settingsOf('Envoy') as { http_filters: [Filter] }).http_filters
  const { authorization_request: asked, authorization_response: answered, path_prefix: prefix } = config.http_service

  test('its request is understood: the method, host and path of the user’s request, and no body', async () => {
    const { broker, serving } = await startServe({ request_from: 'request', path_prefix: prefix })
    const token = await broker.token()
    const statusOf = async (path: string, ...more: string[]) =>
      (await ask(serving.checkAddress, ['Host', 'cases.example', 'Content-Length', '0', ...more], { method: 'POST', path: prefix + path })).status
    const bearer = ['Authorization', `Bearer ${token}`]
    expect([await statusOf('/api/cases?of=mine', ...bearer), await statusOf('/api/cases'), await statusOf('/elsewhere', ...bearer)]).toEqual([
      200, 401, 403,
    ])
    expect(await statusOf('/api/cases', ...bearer, 'x-guard-sub', 'forged')).toBe(403)
  })

  test('the settings pass on the token and what a client forged, copy every identity header, and let nothing through after a fault', () => {
    expect([config.failure_mode_allow, config.status_on_error.code, prefix]).toEqual([false, 'ServiceUnavailable', '/check'])
    expect(page).toContain('`--request-from request --path-prefix /check`')
    const passes = (name: string) =>
      asked.allowed_headers.patterns.some(
        (one) => one.exact === name || (one.safe_regex !== undefined && new RegExp(`^(?:${one.safe_regex.regex})$`).test(name)),
      )
    expect(['authorization', 'x-guard-sub', 'x_guard_sub', 'x.guard.sub', 'cookie'].map(passes)).toEqual([true, true, true, true, false])
    const copied = (name: string) => answered.allowed_upstream_headers.patterns.some((one) => name.toLowerCase().startsWith(one.prefix))
    expect(NAMES.filter((name) => !copied(name))).toEqual([])
  })
})
