import { randomBytes } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import {
  createServer as createHttpServer,
  request as httpRequest,
  type RequestListener,
} from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import * as oidc from 'openid-client'
import { request } from 'undici'
import { startEntra } from '../../demo/entra/entra.ts'
import { APP_CLIENT_ID, APP_CLIENT_SECRET, CONTOSO } from '../../demo/entra/users.ts'
import { type Broker, openBroker } from '../../src/operations/command/broker.ts'
import { Browser, type Page } from '../browser.ts'
import { newCertificate } from '../demo-entra/certificate.ts'
import { type ClientEntry, prepareBroker } from '../process/broker-process.ts'
import { freePorts } from '../process/ports.ts'

/**
 * One broker behind TLS with the simulated Microsoft, for all recipes, because their software
 * demands an issuer with https.
 */

/** An application of a recipe: its address and its registration. */
export interface Place {
  clientId: string
  clientSecret: string
  port: number
  baseUrl: string
  redirectUri: string
}

/** An application to register. `registration` gets the application's base address. */
export interface Registered {
  name: string
  redirectPath?: string
  registration?: (baseUrl: string) => Record<string, unknown>
}

export interface BoundToken {
  token: string
  /** Sends GET with the token and a new proof. */
  get(address: string): Promise<Response>
}

export interface World {
  issuer: string
  /** The broker's address without TLS. */
  inside: string
  /** The same through the line that `shut` cuts. */
  plain: string
  /** The address of the operators' listener. */
  ops: string
  dataDir: string
  /** A file with the certificate of the issuer, in PEM. */
  caFile: string
  directory: string
  /** Opens the admin API. */
  admin(): Promise<Broker>
  place(name: string): Place
  /**
   * Cuts the line between that client and the broker, both ways, or heals it: what is open with the
   * client's credentials ends, new requests are rejected, and no logout token arrives.
   */
  shut(clientId: string, isShut: boolean): void
  /** How often the recipes have read the broker's keys. */
  keyReads(): number
  newBrowser(): Browser
  /** Opens this address, and signs in on the broker's page where it is shown. */
  signInAt(browser: Browser, address: string): Promise<Page>
  /**
   * Returns an access token for the client of that place, whose redirect address needs no server.
   */
  accessToken(browser: Browser, place: Place): Promise<string>
  /** Signs in for a token that is bound to a key. */
  boundToken(browser: Browser, place: Place): Promise<BoundToken>
  /**
   * Signs out by the sign-out page, as a user does.
   * @returns when the request was sent, in ms
   */
  signOut(browser: Browser): Promise<number>
  dispose(): Promise<void>
}

const ALICE = 'alice@contoso.example'

async function registrations(
  clients: readonly Registered[],
  logoutAddress: (clientId: string, address: string) => string,
): Promise<Map<string, { place: Place; entry: ClientEntry }>> {
  const ports = await freePorts(clients.length)
  return new Map(
    clients.map(({ name, redirectPath = '/callback', registration }, at) => {
      const port = ports[at] ?? 0
      // Not localhost, so that the broker is another host with other cookies.
      const baseUrl = `http://127.0.0.1:${port}`
      const place = {
        clientId: name,
        clientSecret: `cms_${randomBytes(32).toString('base64url')}`,
        port,
        baseUrl,
        redirectUri: baseUrl + redirectPath,
      }
      const { backchannel_logout_uris: uris = [], ...rest } = registration?.(baseUrl) ?? {}
      const logoutUris = (uris as string[]).map((address) => logoutAddress(name, address))
      const entry = {
        client_id: name,
        client_secret: place.clientSecret,
        client_name: `Case Manager ${name}`,
        redirect_uris: [place.redirectUri],
        ...rest,
        ...(logoutUris.length > 0 && { backchannel_logout_uris: logoutUris }),
      }
      return [name, { place, entry }]
    }),
  )
}

/** Starts a proxy that ends TLS in front of the broker, and one without TLS. */
async function startLine(options: {
  port: number
  to: string
  isShut: (clientId: string) => boolean
  onRequest: (path: string) => void
}): Promise<{ certificate: string; plain: string; cut(clientId: string): void; close(): void }> {
  /** The open connections, each with the client that used it last. */
  const open = new Map<Socket, string>()
  const { certificate, privateKey } = newCertificate(undefined, 'localhost')
  const pass: RequestListener = (asked, response) => {
    const [, basic = ''] = /^Basic (.*)$/.exec(asked.headers.authorization ?? '') ?? []
    const [encodedId = ''] = Buffer.from(basic, 'base64').toString().split(':')
    const clientId = decodeURIComponent(encodedId)
    if (options.isShut(clientId)) return void asked.socket.destroy()
    if (!open.has(asked.socket)) asked.socket.once('close', () => open.delete(asked.socket))
    open.set(asked.socket, clientId)
    const { method, url, rawHeaders } = asked
    options.onRequest(url ?? '/')
    const onward = httpRequest(new URL(url ?? '/', options.to), {
      method,
      headers: rawHeaders,
      agent: false,
    })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
      answer.on('error', () => response.destroy())
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    asked.pipe(onward)
  }
  const server = createServer({ key: privateKey, cert: certificate }, pass)
  await new Promise<void>((done, failed) =>
    server.once('error', failed).listen(options.port, 'localhost', done),
  )
  const plain = createHttpServer(pass)
  await new Promise<void>((done) => plain.listen(0, '127.0.0.1', done))
  return {
    certificate,
    plain: `http://127.0.0.1:${(plain.address() as AddressInfo).port}`,
    cut(clientId) {
      for (const [socket, user] of open) if (user === clientId) socket.destroy()
    },
    close() {
      for (const each of [server, plain]) {
        each.closeAllConnections()
        each.close()
      }
    },
  }
}

/** Starts a server through which logout tokens reach the applications. */
async function startRelay(isShut: (clientId: string) => boolean): Promise<{
  addressOf(clientId: string, address: string): string
  close(): void
}> {
  /** The application's address for each address that the broker knows. */
  const onward = new Map<string, { clientId: string; address: string }>()
  const server = createHttpServer((asked, response) => {
    const to = onward.get(asked.url ?? '')
    if (to === undefined || isShut(to.clientId)) return void asked.socket.destroy()
    const { method, headers } = asked
    const sent = httpRequest(to.address, {
      method,
      headers: { ...headers, host: new URL(to.address).host },
      agent: false,
    })
    sent.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.rawHeaders)
      answer.pipe(response)
    })
    sent.on('error', () => response.destroy())
    asked.pipe(sent)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    addressOf(clientId, address) {
      const path = `/${clientId}/${onward.size}`
      onward.set(path, { clientId, address })
      return base + path
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}

export async function openWorld(clients: readonly Registered[]): Promise<World> {
  const shut = new Set<string>()
  const relay = await startRelay((clientId) => shut.has(clientId))
  const registered = await registrations(clients, relay.addressOf)
  const [port = 0] = await freePorts(1)
  const issuer = `https://localhost:${port}`
  const entra = await startEntra({
    port: 0,
    apps: [{ redirectUris: [`${issuer}/signin/callback`, `${issuer}/logout/return`] }],
  })
  entra.world.auto = ALICE
  const { broker, dispose } = await prepareBroker({
    issuer,
    clients: [...registered.values()].map(({ entry }) => entry),
    env: {
      BROKER_ENTRA_SIMULATED: 'yes',
      BROKER_ENTRA_AUTHORITY: entra.authority,
      BROKER_ENTRA_TENANT: CONTOSO.tid,
      BROKER_ENTRA_CLIENT_ID: APP_CLIENT_ID,
      BROKER_ENTRA_CLIENT_SECRET: APP_CLIENT_SECRET,
    },
  })
  const inside = `http://${broker.env.BROKER_LISTEN}`
  let keyReads = 0
  const line = await startLine({
    port,
    to: inside,
    isShut: (clientId) => shut.has(clientId),
    onRequest: (path) => void (path === '/jwks' && keyReads++),
  })
  const caFile = join(broker.dataDir, 'ca.pem')
  writeFileSync(caFile, line.certificate)
  // Apache reads the file as www-data.
  chmodSync(broker.dataDir, 0o755)
  await broker.start()
  // This process reaches the broker without TLS.
  const route = (address: string): string =>
    address.startsWith(issuer) ? inside + address.slice(issuer.length) : address
  const find = (name: string) => registered.get(name) ?? missing(name)
  const configurationOf = (place: Place): Promise<oidc.Configuration> =>
    oidc.discovery(
      new URL(issuer),
      place.clientId,
      {},
      oidc.ClientSecretBasic(place.clientSecret),
      { [oidc.customFetch]: (url, init) => fetch(route(url), init as RequestInit) },
    )

  return {
    issuer,
    inside,
    plain: line.plain,
    ops: broker.ops,
    dataDir: broker.env.BROKER_DATA_DIR ?? '',
    caFile,
    directory: broker.dataDir,
    admin: () =>
      openBroker(
        {
          env: {},
          out: () => {},
          err: () => {},
          user: 'recipes',
          ask: undefined,
          input: async () => '',
        },
        broker.env.BROKER_DATA_DIR ?? '',
      ),
    place: (name) => find(name).place,
    shut(clientId, isShut) {
      if (!isShut) return void shut.delete(clientId)
      shut.add(clientId)
      line.cut(clientId)
    },
    keyReads: () => keyReads,
    newBrowser: () => new Browser({ fetch: (address, init) => navigate(route(address), init) }),
    signInAt,
    accessToken: async (browser, place) =>
      tokenFor(browser, place, await configurationOf(place), undefined),
    async boundToken(browser, place) {
      const config = await configurationOf(place)
      oidc.allowInsecureRequests(config)
      const DPoP = oidc.getDPoPHandle(config, await oidc.randomDPoPKeyPair())
      const token = await tokenFor(browser, place, config, DPoP)
      return {
        token,
        get: (address) =>
          oidc.fetchProtectedResource(config, token, new URL(address), 'GET', null, undefined, {
            DPoP,
          }),
      }
    },
    async signOut(browser) {
      const form = await browser.get(`${issuer}/logout`)
      const sentAtMs = Date.now()
      const done = await browser.submit(form, { scope: 'device' }, 'Sign out')
      if (done.status !== 200 || !done.url.includes('/logout/done'))
        missing(`end of the sign-out; it is at ${done.url} (${done.status})`)
      return sentAtMs
    },
    async dispose() {
      line.close()
      relay.close()
      await dispose()
      await entra.close()
    },
  }
}

/**
 * Sends a request as a browser does for a page. `fetch` alone marks it as a script's
 * (Sec-Fetch-Mode: cors), and mod_auth_openidc does not redirect a script.
 */
async function navigate(
  address: string,
  { body, headers, method = 'GET' }: RequestInit,
): Promise<Response> {
  const sent = {
    ...Object.fromEntries(new Headers(headers)),
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
  }
  const answer = await request(address, {
    method: method as 'GET',
    headers: sent,
    body: (body as string | null | undefined) ?? null,
  })
  const received = new Headers()
  for (const [name, value] of Object.entries(answer.headers))
    for (const each of [value ?? []].flat()) received.append(name, each)
  const text = await answer.body.text()
  return new Response(text === '' ? null : text, { status: answer.statusCode, headers: received })
}

async function tokenFor(
  browser: Browser,
  place: Place,
  config: oidc.Configuration,
  DPoP: oidc.DPoPHandle | undefined,
): Promise<string> {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: place.redirectUri,
    scope: 'openid profile',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  browser.follows = (to) => !to.href.startsWith(place.redirectUri)
  const page = await signInAt(browser, url.href)
  browser.follows = () => true
  const tokens = await oidc.authorizationCodeGrant(
    config,
    page.left ?? missing(`redirect at ${page.url}`),
    { pkceCodeVerifier },
    undefined,
    DPoP && { DPoP },
  )
  return tokens.access_token
}

function missing(what: string): never {
  throw new Error(`There is no ${what}.`)
}

async function signInAt(browser: Browser, address: string): Promise<Page> {
  const page = await browser.get(address)
  return page.html.includes('Sign in with Microsoft')
    ? browser.press(page, 'Sign in with Microsoft')
    : page
}
