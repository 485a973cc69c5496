import { createHash, randomBytes } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import * as oidc from 'openid-client'
import { startEntra, type Entra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO, FABRIKAM } from '../../demo/entra/users.ts'
import { type BrokerProcess, type ClientEntry, prepareBroker } from './broker-process.ts'
import { Browser, type Page } from '../browser.ts'
import { freePorts } from './ports.ts'

/**
 * A broker process, a simulated Microsoft, and instances whose logout addresses a test controls.
 */

/**
 * An instance's back-channel logout address. It keeps the logout tokens that it got, and answers as
 * the test sets it.
 */
export class Receiver {
  readonly delivered: { claims: Record<string, unknown>; atMs: number }[] = []
  answer: (response: ServerResponse) => void = (response) => void response.writeHead(200).end()
  #server: Server | undefined
  #port = 0

  /** Listens, on the same port as before. */
  async open(): Promise<void> {
    if (this.#port === 0) this.#port = (await freePorts(1))[0] ?? 0
    const server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        // `cmb doctor` checks whether the address exists.
        if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end()
        const token = new URLSearchParams(body).get('logout_token') ?? ''
        this.delivered.push({
          claims: JSON.parse(
            Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
          ) as Record<string, unknown>,
          atMs: Date.now(),
        })
        this.answer(response)
      })
    })
    await new Promise<void>((ready, failed) =>
      server.once('error', failed).listen(this.#port, '127.0.0.1', ready),
    )
    this.#server = server
  }
  async close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    server.closeAllConnections()
    await new Promise((done) => server.close(done))
  }
  get url(): string {
    return `http://127.0.0.1:${this.#port}/oidc/backchannel-logout`
  }
}

export interface TestInstance {
  entry: ClientEntry
  redirectUri: string
  receiver: Receiver
}

export interface TestWorld {
  broker: BrokerProcess
  entra: Entra
  instances: TestInstance[]
  /** Makes authorizations at Microsoft complete as this user from now on. */
  as(upn: string): void
  /**
   * Signs in by openid-client's code flow with PKCE, through the broker's pages. `pages` lists
   * those that were seen.
   */
  signIn(
    browser: Browser,
    instance: TestInstance,
    parameters?: Record<string, string>,
  ): Promise<{
    tokens: oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers
    pages: number
    config: oidc.Configuration
  }>
  /** Signs a user in at every instance, in a new browser. */
  signedIn(
    upn: string,
  ): Promise<{ browser: Browser; at: Awaited<ReturnType<TestWorld['signIn']>>[]; sid: string }>
  refresh(instance: TestInstance, refreshToken: string): Promise<oidc.TokenEndpointResponse>
  /** Signs out by the sign-out page, as a user does. */
  signOut(browser: Browser, scope: 'device' | 'everywhere'): Promise<Page>
  dispose(): Promise<void>
}

export const ALICE = 'alice@contoso.example'
export const BOB = 'bob@contoso.example'

export async function openWorld(
  options: {
    cities?: string[]
    env?: Record<string, string>
    start?: boolean
    /** The address of a proxy in front of it; the default is its own address. */
    issuer?: string
    /** The program that runs instead of `cmb serve`: a file and its arguments. */
    program?: readonly string[]
    /** Returns fields to add to an instance's registration, or to replace in it. */
    registration?: (city: string) => Record<string, unknown>
  } = {},
): Promise<TestWorld> {
  const instances: TestInstance[] = []
  for (const city of options.cities ?? ['sydney', 'melbourne']) {
    const receiver = new Receiver()
    await receiver.open()
    const redirectUri = `http://127.0.0.1/${city}/oidc/callback`
    instances.push({
      receiver,
      redirectUri,
      entry: {
        client_id: city,
        client_secret: `cms_${randomBytes(32).toString('base64url')}`,
        client_name: `Case Manager ${city}`,
        redirect_uris: [redirectUri],
        backchannel_logout_uris: [receiver.url],
        ...options.registration?.(city),
      },
    })
  }
  const env: Record<string, string> = {
    BROKER_ENTRA_SIMULATED: 'yes',
    BROKER_ENTRA_TENANT: `${CONTOSO.tid},${FABRIKAM.tid}`,
    BROKER_ENTRA_CLIENT_ID: APP_CLIENT_ID,
    BROKER_ENTRA_CLIENT_SECRET: APP_CLIENT_SECRET,
    BROKER_OPERATOR_TENANT: CONTOSO.tid,
    ...options.env,
  }
  const { broker, dispose } = await prepareBroker({
    clients: instances.map((instance) => instance.entry),
    env,
    program: options.program,
    issuer: options.issuer,
  })
  const entra = await startEntra({
    port: 0,
    apps: [
      {
        redirectUris: [`${broker.issuer}/signin/callback`, `${broker.issuer}/logout/return`],
        logoutUrl: `${broker.issuer}/signal/microsoft/front-channel-logout`,
      },
    ],
  })
  broker.env.BROKER_ENTRA_AUTHORITY = entra.authority
  if (options.start !== false) await broker.start()
  const configs = new Map<TestInstance, Promise<oidc.Configuration>>()
  const configOf = (instance: TestInstance): Promise<oidc.Configuration> => {
    const known =
      configs.get(instance) ??
      oidc.discovery(
        new URL(broker.issuer),
        instance.entry.client_id,
        {},
        oidc.ClientSecretBasic(instance.entry.client_secret),
        {
          execute: [oidc.allowInsecureRequests],
        },
      )
    configs.set(instance, known)
    return known
  }
  const world: TestWorld = {
    broker,
    entra,
    instances,
    as: (upn) => (entra.world.auto = upn),
    async signIn(browser, instance, parameters = {}) {
      const config = await configOf(instance)
      const verifier = oidc.randomPKCECodeVerifier()
      const [state, nonce] = [oidc.randomState(), oidc.randomNonce()]
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: instance.redirectUri,
        scope: 'openid profile email offline_access',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        state,
        nonce,
        ...parameters,
      })
      let page = await browser.get(url.href)
      let pages = 0
      while (page.left === undefined) {
        if (pages++ > 5)
          throw new Error(`More than five pages on the way; the last one at ${page.url}`)
        page = await browser.press(page, 'Sign in with Microsoft')
      }
      const tokens = await oidc.authorizationCodeGrant(config, page.left, {
        pkceCodeVerifier: verifier,
        expectedState: state,
        expectedNonce: nonce,
        idTokenExpected: true,
      })
      return { tokens, pages, config }
    },
    async signedIn(upn) {
      entra.world.auto = upn
      const browser = newBrowser()
      const at = []
      for (const instance of instances) at.push(await world.signIn(browser, instance))
      return { browser, at, sid: sidOf(at[0]?.tokens.id_token) }
    },
    async refresh(instance, refreshToken) {
      return oidc.refreshTokenGrant(await configOf(instance), refreshToken)
    },
    async signOut(browser, scope) {
      return browser.submit(await browser.get(`${broker.issuer}/logout`), { scope }, 'Sign out')
    },
    async dispose() {
      await dispose()
      await entra.close()
      for (const instance of instances) await instance.receiver.close()
    },
  }
  return world
}

/** Returns the credentials for HTTP Basic. Ids and secrets of tests need no encoding. */
export const basicOf = ({ entry }: TestInstance): string =>
  `Basic ${Buffer.from(`${entry.client_id}:${entry.client_secret}`).toString('base64')}`

export const sidOf = (idToken: string | undefined) =>
  (JSON.parse(Buffer.from(idToken?.split('.')[1] ?? '', 'base64url').toString()) as { sid: string })
    .sid

/** Returns a browser that stops at the instances' redirect URIs. */
export const newBrowser = (): Browser =>
  new Browser({ follows: ({ origin }) => origin !== 'http://127.0.0.1' })
