import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Config } from '../config/config.ts'
import type { Clock } from '../protocol/clock.ts'
import { answerOfBody, outcomeOf } from './aadsts.ts'
import { openApplication, sessionCache } from './application.ts'
import type { Connection, Credential } from './connection.ts'
import { createDirectory } from './directory.ts'
import { guidanceFor } from './guidance.ts'
import { graphResource, signInReturn } from './registration.ts'
import { call, createTransport, type Fetch } from './transport.ts'

/** What an administrator needs of Microsoft that no sign-in does: where consent is granted, and whether the registration is as it has to be. It changes nothing there. */

export interface Examination {
  /** `skewSeconds`: by how much Microsoft's clock is ahead of ours, where it says its time. */
  metadata: { ok: true; skewSeconds: number | undefined } | { ok: false; problem: string }
  /** Whether Entra takes our credential, by a token for the application itself; and what Graph permissions it holds there. Undefined: not asked. */
  credential: { ok: true; graphRoles: string[] } | { ok: false; problem: string; code: number | undefined } | undefined
}

/** Directory roles whose holders can consent for a whole tenant. Everybody's `wids` holds some id; only these speak for it. */
const CONSENTING_ROLES: Readonly<Record<string, string>> = {
  '62e90394-69f5-4237-9190-012177145e10': 'Global Administrator',
  'e8611ab8-c189-46e8-94e1-60213ab1f814': 'Privileged Role Administrator',
  '9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3': 'Application Administrator',
  '158c047a-c907-4556-b7ef-446551a6b5f7': 'Cloud Application Administrator',
}
/** The name of a role that may speak for the tenant, if somebody with these `wids` has one. */
export const consentingRole = (wids: readonly string[]): string | undefined => wids.flatMap((wid) => CONSENTING_ROLES[wid.toLowerCase()] ?? []).at(0)

interface Need {
  config: Pick<Config, 'entra' | 'issuer'>
  connection: () => Connection
  clock: Clock
  fetch?: Fetch | undefined
}

export interface Administration {
  /** Entra's page on which an administrator of that tenant consents for everybody. */
  adminConsentUrl(input: { tid: string; state: string }): string
  examine(tid: string): Promise<Examination>
  /** When the credential ends, as far as it says so itself: a certificate does. Epoch seconds. */
  credentialEnd(): Promise<number | undefined>
}

export function createAdministration(input: Need): Administration {
  const need = { ...input, fetch: input.fetch ?? ((url: string, init: RequestInit) => fetch(url, init)) }
  return {
    adminConsentUrl({ tid, state }) {
      const url = new URL(`${need.config.entra.authority}/${tid}/v2.0/adminconsent`)
      url.search = new URLSearchParams({
        client_id: need.connection().clientId ?? '',
        // All that the registration asks for, application permissions included.
        scope: `${graphResource(need.config.entra.authority)}/.default`,
        redirect_uri: signInReturn(need.config.issuer),
        state,
      }).toString()
      return url.href
    },
    async examine(tid) {
      const metadata = await lookAt(need, tid)
      return { metadata, credential: metadata.ok ? await tryCredential(need, tid) : undefined }
    },
    credentialEnd: () => endOf(need.connection().credential),
  }
}

type Ready = Need & { fetch: Fetch }

/** Fetched anew: what is kept would say that all is well. */
async function lookAt({ config, clock, fetch }: Ready, tid: string): Promise<Examination['metadata']> {
  try {
    const answer = await call(fetch, `${config.entra.authority}/${tid}/v2.0/.well-known/openid-configuration`, { method: 'GET' })
    if (answer.status !== 200) return { ok: false, problem: `Microsoft answered ${answer.status}: is the tenant id right?` }
    const atMs = Date.parse(answer.headers.date ?? '')
    return { ok: true, skewSeconds: Number.isNaN(atMs) ? undefined : Math.round((atMs - clock.nowMs()) / 1000) }
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : 'Microsoft cannot be reached.' }
  }
}

async function tryCredential(need: Ready, tid: string): Promise<NonNullable<Examination['credential']>> {
  const { authority, simulated } = need.config.entra
  const connection = need.connection()
  if (connection.clientId === undefined || connection.credential === undefined)
    return { ok: false, problem: 'No application id or credential has been entered yet.', code: undefined }
  const transport = createTransport(need.fetch)
  try {
    const discovery = await createDirectory({ authority, simulated, fetch: need.fetch, clock: need.clock }).discovery(tid)
    const application = await openApplication({ config: need.config, connection, tenant: tid, discovery, transport, cache: sessionCache() })
    const token = await application.acquireTokenByClientCredential({ scopes: [`${graphResource(authority)}/.default`], skipCache: true })
    return { ok: true, graphRoles: rolesOf(token?.accessToken) }
  } catch (error) {
    if (transport.outage !== undefined) return { ok: false, problem: transport.outage.message, code: undefined }
    const { answer } = transport
    if (answer === undefined) return { ok: false, problem: error instanceof Error ? error.message : 'It cannot be used.', code: undefined }
    const { guidance, code } = outcomeOf(answerOfBody(answer.body))
    return { ok: false, problem: guidanceFor(guidance).operator, code }
  }
}

/** Graph's token is Graph's; its roles are only shown, and decide nothing. */
function rolesOf(token: string | undefined): string[] {
  try {
    const { roles } = JSON.parse(Buffer.from(token?.split('.')[1] ?? '', 'base64url').toString('utf8')) as { roles?: unknown }
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : []
  } catch {
    return []
  }
}

async function endOf(credential: Credential | undefined): Promise<number | undefined> {
  if (credential === undefined || credential.kind === 'secret' || credential.kind === 'federated') return undefined
  try {
    const pem = credential.kind === 'pem' ? credential.pem : await readFile(credential.file, 'utf8')
    return Math.floor(Date.parse(new X509Certificate(pem).validTo) / 1000)
  } catch {
    return undefined
  }
}

/** A certificate with its private key, as it is pasted: what is wrong with it, or nothing. */
export function problemOfPem(pem: string, nowMs: number): string | undefined {
  try {
    const certificate = new X509Certificate(pem)
    if (!certificate.checkPrivateKey(createPrivateKey(pem))) return 'The private key is not that of the certificate.'
    if (Date.parse(certificate.validTo) <= nowMs) return 'The certificate has expired.'
    return undefined
  } catch {
    return 'Paste both in PEM: the unencrypted private key and the certificate, beginning with -----BEGIN.'
  }
}
