/**
 * Every setting of `guard serve`: its name in the file, as a flag and as a variable, and its
 * values.
 */

interface Setting {
  name: string
  /** The description of `--help`. */
  help: string
  example: string
  fallback?: string
  list?: true
  /** True if it is not a flag: every user of the machine can read command lines. */
  secret?: true
}

const TABLE = [
  { name: 'issuer', help: "the broker's issuer, exactly", example: 'https://sign-in.example' },
  { name: 'client_id', help: 'as this application is registered', example: 'sydney' },
  { name: 'client_secret', help: 'its secret', example: 'cms_…', secret: true },
  {
    name: 'client_secret_file',
    help: 'a file that holds the secret',
    example: '/run/secrets/client_secret',
  },
  {
    name: 'client_key_file',
    help: 'a private JWK instead of a secret (private_key_jwt)',
    example: '/run/secrets/client_key.json',
  },
  {
    name: 'client_assertion_file',
    help: 'the file of the token of its workload, instead of a secret (workload_jwt)',
    example: '/var/run/secrets/broker/token',
  },
  {
    name: 'audience',
    help: 'audiences, one of which a token needs; not set: urn:case-manager:instance:<client_id>',
    example: 'https://sydney.example',
    list: true,
  },
  {
    name: 'public_address',
    help: 'addresses of the application for clients; not set: tokens bound to a key (DPoP) are rejected',
    example: 'https://sydney.example',
    list: true,
  },
  { name: 'rules', help: 'the file of rules: which requests need what', example: 'rules.json' },
  {
    name: 'listen',
    help: 'where the proxy asks',
    example: 'unix:/run/guard/check.sock',
    fallback: '127.0.0.1:7410',
  },
  {
    name: 'local_listen',
    help: 'where the application and the monitoring ask',
    example: 'unix:/run/guard/local.sock',
    fallback: '127.0.0.1:7409',
  },
  {
    name: 'local_secret',
    help: 'the bearer token of /session and /ended, where local_listen is TCP',
    example: '(32 random characters)',
    secret: true,
  },
  { name: 'local_secret_file', help: 'a file that holds it', example: '/run/secrets/guard_local' },
  {
    name: 'local_hosts',
    help: 'names by which the local listener may be called',
    example: 'localhost',
    fallback: 'localhost,127.0.0.1,[::1]',
    list: true,
  },
  {
    name: 'request_from',
    help: 'forwarded (X-Forwarded-Method, -Host, -Uri) or request (Envoy)',
    example: 'forwarded',
    fallback: 'forwarded',
  },
  {
    name: 'path_prefix',
    help: 'with request_from=request: what the proxy puts before the path',
    example: '/check',
    fallback: '',
  },
  {
    name: 'trusted_proxies',
    help: 'addresses that may ask, where listen is TCP',
    example: '10.0.0.0/24',
    fallback: '127.0.0.0/8,::1',
    list: true,
  },
  {
    name: 'token_header',
    help: 'the header that holds the access token',
    example: 'X-Forwarded-Access-Token',
    fallback: 'Authorization',
  },
  {
    name: 'identity_prefix',
    help: 'what the names of the identity headers begin with',
    example: 'X-Guard-',
    fallback: 'X-Guard-',
  },
  {
    name: 'identity_headers',
    help: 'which identity headers have a value, by their names without the prefix; the others are empty',
    example: 'Sub,Roles',
    fallback: 'Sub,Sid,Tid,Oid,Client-Id,Scope,Roles,Acr,Auth-Time,Exp,Rev,Assertion',
    list: true,
  },
  {
    name: 'identity_audience',
    help: 'aud of the signed identity header; not set: it is empty',
    example: 'https://cases.internal',
  },
  {
    name: 'sessions',
    help: 'yes: the application asks about its own sessions at local_listen (POST /session)',
    example: 'yes',
    fallback: 'no',
  },
  {
    name: 'no_lease_status',
    help: 'the status of its answer without a lease: 503, or 403 for nginx',
    example: '403',
    fallback: '503',
  },
  {
    name: 'without_lease',
    help: 'what it does when it holds no lease of the broker: reject, or introspect (asks about each token)',
    example: 'introspect',
    fallback: 'reject',
  },
  {
    name: 'clock_tolerance_seconds',
    help: 'how far this clock may be off, 0 to 30',
    example: '5',
    fallback: '5',
  },
  {
    name: 'guard_id',
    help: 'the name of this process in the console of the broker',
    example: 'web-1',
  },
] as const satisfies readonly Setting[]

export type Name = (typeof TABLE)[number]['name']
export const SETTINGS: readonly Setting[] = TABLE

export const flagOf = (name: string): string => `--${name.replaceAll('_', '-')}`
export const variableOf = (name: string): string => `GUARD_${name.toUpperCase()}`

/** Returns the settings' part of `--help`. */
export function describeSettings(): string {
  const lines = SETTINGS.map(({ example, fallback, help, name, secret }) => {
    const named = secret ? variableOf(name) : `${flagOf(name)} …`
    return `  ${named.padEnd(30)} ${help}${fallback ? ` (${fallback})` : `, e.g. ${example}`}`
  })
  return lines.join('\n')
}
