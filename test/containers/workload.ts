import { chmodSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import type { ClientAuth } from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { INSTANCES } from '../kubernetes.ts'
import { blocksOf, ROOT } from '../markdown.ts'
import { until } from '../process/broker-process.ts'
import { hasEngine } from './engine.ts'
import { openStack, type Stack } from './stack.ts'
import { newBrowser, signIn, signOut, SYDNEY } from './sydney.ts'

/**
 * An instance, its guards, and a service that exchanges tokens, in containers and without a secret
 * of a client: the pods of examples/service-to-service, with the tokens that a cluster projects into
 * them.
 */

const NAME = 'cmb-containers-test'
const README = 'examples/service-to-service/README.md'
const CLUSTER = 'https://kubernetes.default.svc.cluster.local'
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const [, NODE_IMAGE = expect.unreachable()] =
  /^ARG NODE_IMAGE=(\S+)$/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? []

const { clients } = parse(
  blocksOf(README).find(({ language }) => language === 'yaml')?.text ?? expect.fail(README),
) as { clients: { client_id: string; [field: string]: unknown }[] }
const accountOf = (name: string): string => `system:serviceaccount:default:${name}`

const keys = await generateKeyPair('RS256')
const others = await generateKeyPair('RS256')

describe.runIf(hasEngine())('clients without a secret', () => {
  let stack: Stack

  const claimsOf = (account: string, audience: string, forSeconds = 3600) => {
    const now = Math.floor(Date.now() / 1000)
    const times = { iat: now, nbf: now, exp: now + forSeconds }
    return { iss: CLUSTER, sub: accountOf(account), aud: [audience], ...times }
  }
  const tokenOf = (claims: ReturnType<typeof claimsOf>, key = keys.privateKey): Promise<string> =>
    new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'cluster-1' }).sign(key)
  /** Writes the token of a service account, as the kubelet does, into the volume of its pod. */
  const project = async (account: string): Promise<void> =>
    stack.write(`${account}/token`, await tokenOf(claimsOf(account, stack.issuer)))

  const hostname = (): string => new URL(stack.issuer).hostname
  /** The issuer in a command: the stack adds the port. */
  const issuer = (): string => `https://${hostname()}`

  /** Runs a container beside the broker's, with the volume of a service account. */
  const run = (name: string, account: string, settings: Record<string, string>, what: string) => {
    const environment = Object.entries({ NODE_EXTRA_CA_CERTS: '/ca.pem', ...settings })
      .map(([key, value]) => `-e ${key}='${value}'`)
      .join(' ')
    return stack.sh(
      `docker run -d --name ${NAME}-${name} --network ${NAME}_outside --network-alias ${name} --add-host ${hostname()}:172.30.73.1 -v "$PWD/ca.pem:/ca.pem:ro" -v "$PWD/${account}:/run/broker:ro" ${environment} ${what}`,
    )
  }
  /** Starts the pod of a Deployment: its programs and their packages are those of this repository. */
  async function startPod(name: string): Promise<void> {
    const deployment = INSTANCES.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata?.name === name,
    )
    const [container] =
      deployment?.kind === 'Deployment' ? (deployment.spec?.template.spec?.containers ?? []) : []
    const { command = [], env = [] } = container ?? expect.fail(`There is no pod ${name}.`)
    const settings = env.map(({ name: key, value = '' }): [string, string] => [
      key,
      value.replace('https://sign-in.example', issuer()),
    ])
    const programs = `-v ${ROOT}:/repository:ro -w /repository/examples/service-to-service`
    await run(
      name,
      name,
      Object.fromEntries(settings),
      `--user 1000 ${programs} -p 127.0.0.1::3000 ${NODE_IMAGE} ${command.join(' ')}`,
    )
  }
  const call = async (name: string, token: string, path = '/'): Promise<Response> => {
    const address = await stack.sh(`docker port ${NAME}-${name} 3000`)
    return fetch(`http://${address.trim()}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(10_000),
    })
  }
  /** Returns the answer of `guard serve` to a request for the instance, by its socket. */
  const guarded = async (token: string): Promise<number> => {
    const headers = {
      authorization: `Bearer ${token}`,
      'x-forwarded-method': 'GET',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'reports.example',
      'x-forwarded-uri': '/',
    }
    const request = { socketPath: '/run/guard/check.sock', path: '/', headers }
    const script = `require("node:http").get(${JSON.stringify(request)}, (answer) => { console.log(answer.statusCode); process.exit() })`
    return Number(await stack.sh(`docker exec ${NAME}-guard node -e '${script}'`))
  }
  const byToken: ClientAuth = async (_server, _client, body) => {
    body.set('client_assertion_type', ASSERTION_TYPE)
    body.set('client_assertion', await tokenOf(claimsOf('reports', stack.issuer)))
  }

  beforeAll(async () => {
    stack = await openStack(NAME, '172.30.73.1')
    for (const { client_id: account } of clients) {
      mkdirSync(join(stack.dir, account))
      chmodSync(join(stack.dir, account), 0o755)
      await project(account)
    }
    chmodSync(stack.dir, 0o755)
    await stack.startProxy()
    stack.write('.env', `BROKER_ISSUER=${stack.issuer}\n`)
    await stack.sh(
      'mkdir -p secrets; openssl rand -hex 32 > secrets/broker_secret; chmod 444 secrets/*; docker compose up -d --wait; docker compose --profile guard build guard',
    )
    const published = { ...(await exportJWK(keys.publicKey)), kid: 'cluster-1', use: 'sig' }
    for (const { client_id: id, ...registration } of clients) {
      const metadata = {
        ...registration,
        redirect_uris: [SYDNEY.redirect],
        jwks: { keys: [published] },
      }
      stack.write('client.json', JSON.stringify(metadata))
      const added = await stack.sh(
        `docker compose exec -T broker cmb clients add ${id} --metadata - --json < client.json`,
      )
      expect(JSON.parse(added)).not.toHaveProperty('client_secret')
    }
    await startPod('archive')
    await startPod('reports')
    await run(
      'guard',
      'reports',
      {
        GUARD_ISSUER: issuer(),
        GUARD_CLIENT_ID: 'reports',
        GUARD_CLIENT_ASSERTION_FILE: '/run/broker/token',
        GUARD_RULES: '/rules.json',
      },
      `-v ${ROOT}/examples/rules.json:/rules.json:ro ${NAME}-guard`,
    )
  })
  afterAll(async () => {
    await stack
      ?.sh(
        `docker rm -f ${['archive', 'reports', 'guard'].map((name) => `${NAME}-${name}`).join(' ')}`,
      )
      .catch(() => '')
    await stack?.end()
  })

  test('sign users in, follow revocations and exchange tokens by the tokens of their platform', async () => {
    const browser = newBrowser(stack)
    const { access_token: token } = await signIn(stack, browser, byToken, 'reports')
    await until('both instances and the guard accept it', async () => {
      const answer = await call('reports', token).catch(() => undefined)
      return answer?.status === 200 && (await guarded(token)) === 200
    })
    expect(await (await call('reports', token)).json()).toMatchObject({ client_id: 'reports' })
    const { token: exchanged } = (await (await call('reports', token, '/exchanged')).json()) as {
      token: string
    }
    expect((await call('archive', exchanged)).status).toBe(200)
    await signOut(stack, browser)
    const statuses = async (): Promise<number[]> => [
      (await call('reports', token)).status,
      (await call('archive', exchanged)).status,
      await guarded(token),
    ]
    await until('all reject it', async () => String(await statuses()) === '401,401,401')
  })

  test('a token of another account, cluster or audience, one that has expired, and one without a signature: 401', async () => {
    const right = claimsOf('reports', stack.issuer)
    const statusOf = async (assertion: string): Promise<number> => {
      const body = new URLSearchParams({
        client_id: 'reports',
        grant_type: 'client_credentials',
        client_assertion_type: ASSERTION_TYPE,
        client_assertion: assertion,
      })
      const answer = await stack.fetch(`${stack.issuer}/token`, { method: 'POST', body })
      await answer.text()
      return answer.status
    }
    expect(await statusOf(await tokenOf(right))).toBe(200)
    const wrong = {
      'another account': await tokenOf(claimsOf('default', stack.issuer)),
      'another cluster': await tokenOf({ ...right, iss: 'https://other.example' }),
      'another key': await tokenOf(right, others.privateKey),
      'another audience': await tokenOf(claimsOf('reports', 'https://vault.example')),
      expired: await tokenOf(claimsOf('reports', stack.issuer, -60)),
      unsigned: new UnsecuredJWT(right).encode(),
    }
    for (const [what, assertion] of Object.entries(wrong))
      expect([what, await statusOf(assertion)]).toEqual([what, 401])
  })
})
