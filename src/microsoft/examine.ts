import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { answerOfBody, outcomeOf } from './aadsts.ts'
import { openApplication } from './application.ts'
import type { Need } from './asking.ts'
import type { Connection } from './connection.ts'
import { createDirectory, type Directory, type Discovery } from './directory.ts'
import { guidanceFor } from './guidance.ts'
import { type Candidate, type Examination, MicrosoftRefusal } from './interface.ts'
import { graphResource } from './registration.ts'
import { createTransport, MicrosoftUnreachable } from './transport.ts'

/** Asks Microsoft, now, for each thing that a sign-in needs. Nothing that is kept is used: what is kept would say that all is well. */

const STEP_MS = 3_000

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
  const skewSeconds = Number.isNaN(dateMs) ? undefined : Math.round((dateMs - need.clock.nowMs()) / 1000)
  if ('problem' in read) return { metadata: { ok: false, problem: read.problem }, authorize: undefined, credential: undefined }
  const [authorize, credential] = await Promise.all([askAuthorize(need, read), tryCredential(need, tid, read)])
  return { metadata: { ok: true, skewSeconds }, authorize, credential }
}

async function reading(directory: Directory, tid: string): Promise<Discovery | { problem: string }> {
  try {
    return await within(
      directory.discovery(tid).then(async (discovery) => {
        if ((await directory.verifier(tid).warm()) === 0) throw new MicrosoftUnreachable('It publishes no signing keys.')
        return discovery
      }),
    )
  } catch (error) {
    return { problem: problemOf(error) }
  }
}

/** The page at which users sign in. Without a request it shows an error, which is an answer. */
async function askAuthorize({ fetch }: Need, { text }: Discovery): Promise<NonNullable<Examination['authorize']>> {
  const { authorization_endpoint: url } = JSON.parse(text) as { authorization_endpoint: string }
  try {
    const response = await fetch(url, { method: 'GET', redirect: 'manual', signal: AbortSignal.timeout(STEP_MS) })
    await response.body?.cancel()
    if (response.status < 500 && response.status !== 429) return { ok: true }
    return { ok: false, problem: `${new URL(url).origin} answered ${response.status}.` }
  } catch {
    return { ok: false, problem: `${new URL(url).origin} cannot be reached.` }
  }
}

/** The same for an application and credential that are about to be saved. */
export async function tryConnection(need: Need, tid: string, candidate: Candidate): Promise<NonNullable<Examination['credential']>> {
  const { authority, simulated } = need.config.entra
  const read = await reading(createDirectory({ authority, simulated, fetch: need.fetch, clock: need.clock }), tid)
  if ('problem' in read) return { ok: false, outage: true, guidance: 'outage', code: undefined, problem: read.problem }
  return tryCredential({ ...need, connection: () => ({ ...need.connection(), ...candidate }) }, tid, read)
}

/** A token for the application itself: Entra gives one only to a credential that it accepts, of an application that is enabled in the tenant. */
async function tryCredential(need: Need, tid: string, discovery: Discovery): Promise<NonNullable<Examination['credential']>> {
  const transport = createTransport(need.fetch)
  const scope = `${graphResource(need.config.entra.authority)}/.default`
  try {
    const application = await openApplication({ config: need.config, connection: need.connection(), tenant: tid, discovery, transport })
    const token = await within(application.acquireTokenByClientCredential({ scopes: [scope], skipCache: true }))
    return { ok: true, graphRoles: rolesOf(token?.accessToken) }
  } catch (error) {
    return notGiven(error, transport)
  }
}

function notGiven(error: unknown, transport: ReturnType<typeof createTransport>): Examination['credential'] & { ok: false } {
  const refused = { ok: false, outage: false, guidance: 'credential', code: undefined } as const
  if (transport.outage !== undefined || error instanceof MicrosoftUnreachable)
    return { ...refused, outage: true, guidance: 'outage', problem: problemOf(transport.outage ?? error) }
  if (transport.answer !== undefined) {
    const { guidance, code } = outcomeOf(answerOfBody(transport.answer.body))
    return { ...refused, outage: guidance === 'outage', guidance, code, problem: guidanceFor(guidance).operator }
  }
  // Nothing was asked: the credential itself cannot be used.
  const cause = error instanceof MicrosoftRefusal && error.cause instanceof Error ? error.cause : error
  return { ...refused, problem: `${guidanceFor('credential').operator} ${cause instanceof MicrosoftRefusal ? '' : problemOf(cause)}`.trim() }
}

const problemOf = (error: unknown): string => (error instanceof Error ? error.message : 'Microsoft cannot be reached.').replace(/[.\s]*$/, '.')

/** Graph's token is Graph's; its roles are only shown, and decide nothing. */
function rolesOf(token: string | undefined): string[] {
  try {
    const { roles } = JSON.parse(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString('utf8')) as { roles?: unknown }
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []
  } catch {
    return []
  }
}

/** When the credential expires, as far as that is known: a certificate says it, of a secret the settings may. Epoch seconds. */
export async function credentialEnd({ connection, config }: Pick<Need, 'connection' | 'config'>): Promise<number | undefined> {
  const { credential, credentialFrom }: Connection = connection()
  if (credential === undefined || credential.kind === 'federated') return undefined
  if (credential.kind === 'secret') return credentialFrom === 'environment' ? config.entra.secretExpiresAt : undefined
  try {
    const pem = credential.kind === 'pem' ? credential.pem : await readFile(credential.file, 'utf8')
    return Math.floor(Date.parse(new X509Certificate(pem).validTo) / 1000)
  } catch {
    return undefined
  }
}

async function within<T>(promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new MicrosoftUnreachable(`Microsoft did not answer within ${STEP_MS / 1000} seconds.`)), STEP_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
