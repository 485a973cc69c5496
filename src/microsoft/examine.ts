import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { within } from '../runtime/concurrency.ts'
import { answerOfBody, outcomeOf } from './aadsts.ts'
import { openApplication } from './application.ts'
import type { Need } from './asking.ts'
import { createDirectory, type Directory, type Discovery } from './directory.ts'
import { guidanceFor } from './guidance.ts'
import { type Candidate, type Examination, MicrosoftRejection } from './interface.ts'
import { graphResource, signInReturn } from './registration.ts'
import { createTransport, MicrosoftUnreachable } from './transport.ts'

/**
 * Requests everything a sign-in needs from Microsoft at this moment. It uses no cache, because
 * cached answers would hide a problem.
 */

const STEP_MS = 3_000

const unlessLate = <T>(work: Promise<T>): Promise<T> =>
  within(
    STEP_MS,
    work,
    () => new MicrosoftUnreachable(`Microsoft did not answer within ${STEP_MS / 1000} seconds.`),
  )

export async function examine(need: Need, tid: string): Promise<Examination> {
  let dateMs = Number.NaN
  const noting: Need['fetch'] = async (url, init) => {
    const response = await need.fetch(url, init)
    dateMs = Date.parse(response.headers.get('date') ?? '')
    return response
  }
  const { authority, simulated } = need.config.entra
  const directory = createDirectory({ authority, simulated, fetch: noting, clock: need.clock })
  const read = await reading(directory, tid)
  const skewSeconds = Number.isNaN(dateMs)
    ? undefined
    : Math.round((dateMs - need.clock.nowMs()) / 1000)
  if ('problem' in read)
    return {
      metadata: { ok: false, problem: read.problem },
      authorize: undefined,
      credential: undefined,
    }
  const [authorize, credential] = await Promise.all([
    askAuthorize(need, read),
    tryCredential(need, tid, read),
  ])
  return { metadata: { ok: true, skewSeconds }, authorize, credential }
}

async function reading(
  directory: Directory,
  tid: string,
): Promise<Discovery | { problem: string }> {
  try {
    return await unlessLate(
      directory.discovery(tid).then(async (discovery) => {
        if ((await directory.verifier(tid).warm()) === 0)
          throw new MicrosoftUnreachable('It publishes no signing keys.')
        return discovery
      }),
    )
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

/**
 * Requests the sign-in page as a sign-in does, but silently and without a user. Microsoft shows a
 * problem of the registration only on this page and does not redirect back with it.
 */
async function askAuthorize(
  { fetch, config, connection }: Need,
  { text }: Discovery,
): Promise<NonNullable<Examination['authorize']>> {
  const { authorization_endpoint: endpoint } = JSON.parse(text) as {
    authorization_endpoint: string
  }
  const url = new URL(endpoint)
  url.search = new URLSearchParams({
    client_id: connection().clientId ?? '',
    redirect_uri: signInReturn(config.issuer),
    response_type: 'code',
    response_mode: 'query',
    scope: 'openid',
    prompt: 'none',
    nonce: 'check',
    state: 'check',
  }).toString()
  try {
    const response = await fetch(url.href, {
      method: 'GET',
      redirect: 'manual',
      signal: AbortSignal.timeout(STEP_MS),
    })
    if (response.status >= 500 || response.status === 429) {
      await response.body?.cancel()
      return { ok: false, problem: `${url.origin} answered ${response.status}.` }
    }
    const shown = wrongWithRegistration(await startOf(response))
    return shown === undefined ? { ok: true } : { ok: true, shown }
  } catch {
    return { ok: false, problem: `${url.origin} cannot be reached.` }
  }
}

/**
 * The most bytes read of an error page. A redirect is not read: it proves that the redirect address
 * is registered.
 */
const MOST_PAGE_BYTES = 262_144

async function startOf(response: Response): Promise<string> {
  if (response.status >= 300 && response.status < 400) {
    await response.body?.cancel()
    return ''
  }
  let page = ''
  const decoder = new TextDecoder()
  // Leaving the loop also cancels the rest of the body.
  for await (const chunk of response.body ?? []) {
    page += decoder.decode(chunk as Uint8Array, { stream: true })
    if (page.length > MOST_PAGE_BYTES) break
  }
  return page
}

const OF_REGISTRATION = new Set(['redirect_mismatch', 'app_missing'])

function wrongWithRegistration(page: string): { guidance: string; code: number } | undefined {
  for (const [, digits] of page.matchAll(/AADSTS(\d{4,8})/g)) {
    const { guidance, code } = outcomeOf({ codes: [Number(digits)] })
    if (code !== undefined && OF_REGISTRATION.has(guidance)) return { guidance, code }
  }
  return undefined
}

/** Checks an application and credential that are about to be saved. */
export async function tryConnection(
  need: Need,
  tid: string,
  candidate: Candidate,
): Promise<NonNullable<Examination['credential']>> {
  const { authority, simulated } = need.config.entra
  const read = await reading(
    createDirectory({ authority, simulated, fetch: need.fetch, clock: need.clock }),
    tid,
  )
  if ('problem' in read)
    return { ok: false, outage: true, guidance: 'outage', code: undefined, problem: read.problem }
  return tryCredential(
    { ...need, connection: () => ({ ...need.connection(), ...candidate }) },
    tid,
    read,
  )
}

/**
 * Requests a token for the application itself. Entra issues it only for a valid credential of an
 * application that is enabled in the tenant.
 */
async function tryCredential(
  need: Need,
  tid: string,
  discovery: Discovery,
): Promise<NonNullable<Examination['credential']>> {
  const transport = createTransport(need.fetch, need.clock)
  const scope = `${graphResource(need.config.entra.authority)}/.default`
  try {
    const application = await openApplication({
      config: need.config,
      connection: need.connection(),
      tenant: tid,
      discovery,
      transport,
    })
    const token = await unlessLate(
      application.acquireTokenByClientCredential({ scopes: [scope], skipCache: true }),
    )
    return { ok: true, graphRoles: rolesOf(token?.accessToken) }
  } catch (error) {
    return notGiven(error, transport)
  }
}

function notGiven(
  error: unknown,
  transport: ReturnType<typeof createTransport>,
): Examination['credential'] & { ok: false } {
  const rejected = { ok: false, outage: false, guidance: 'credential', code: undefined } as const
  if (transport.outage !== undefined || error instanceof MicrosoftUnreachable)
    return {
      ...rejected,
      outage: true,
      guidance: 'outage',
      problem: problemOf(transport.outage ?? error),
    }
  if (transport.answer !== undefined) {
    const { guidance, code } = outcomeOf(answerOfBody(transport.answer.body))
    return {
      ...rejected,
      outage: guidance === 'outage',
      guidance,
      code,
      problem: guidanceFor(guidance).operator,
    }
  }
  // Microsoft was not asked, because the credential itself cannot be used.
  const cause =
    error instanceof MicrosoftRejection && error.cause instanceof Error ? error.cause : error
  return {
    ...rejected,
    problem:
      `${guidanceFor('credential').operator} ${cause instanceof MicrosoftRejection ? '' : problemOf(cause)}`.trim(),
  }
}

const problemOf = (error: unknown): string =>
  (error instanceof Error ? error.message : 'Microsoft cannot be reached.').replace(/[.\s]*$/, '.')

/**
 * Returns the roles in an access token for Graph, without verifying it: they are only displayed.
 */
function rolesOf(token: string | undefined): string[] {
  try {
    const { roles } = JSON.parse(
      Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString('utf8'),
    ) as { roles?: unknown }
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []
  } catch {
    return []
  }
}

/**
 * Returns when the credential expires (epoch seconds), if known: a certificate contains the date,
 * and for a secret the settings or /setup may have it.
 */
export async function credentialEnd({
  connection,
}: Pick<Need, 'connection'>): Promise<number | undefined> {
  const { credential } = connection()
  if (credential === undefined || credential.kind === 'federated') return undefined
  if (credential.kind === 'secret') return credential.expiresAt
  try {
    const pem = credential.kind === 'pem' ? credential.pem : await readFile(credential.file, 'utf8')
    return Math.floor(Date.parse(new X509Certificate(pem).validTo) / 1000)
  } catch {
    return undefined
  }
}
