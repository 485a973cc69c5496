import { SETTINGS } from '../../config/settings.ts'
import { problemOfPem } from '../../microsoft/administration.ts'
import type { Candidate } from '../../microsoft/interface.ts'
import { readTenantId } from '../../microsoft/tenants.ts'
import { isGuid } from '../../protocol/guid.ts'
import type { SetupRequest } from './frame.tsx'
import { PROBLEMS } from './texts/fields.ts'

/**
 * Reads application, credential and first tenant from the form of /setup/connect, and tries them at
 * Entra before they are saved.
 */

type Kept =
  | { kind: 'secret'; secret: string; expiresAt: number | undefined }
  | { kind: 'pem'; pem: string }
interface Problem {
  problem: string
}

interface Wanted {
  clientId: string
  /** The new credential. Undefined if the one in use stays. */
  kept: Kept | undefined
  /** The first tenant, if none is connected yet. */
  first: string | undefined
}

export function readConnection(request: SetupRequest, form: URLSearchParams): Wanted | Problem {
  const clientId = (form.get('client_id') ?? '').toLowerCase()
  if (!isGuid(clientId))
    return {
      problem: PROBLEMS.client_id,
    }
  const isFirst = request.deps.connection.current().tenants.length === 0
  const read = isFirst ? readTenantId(form.get('tid') ?? '') : { tid: undefined }
  if ('problem' in read) return read
  const credential = readCredential(request, form)
  return 'problem' in credential ? credential : { clientId, ...credential, first: read.tid }
}

/** Returns the name of a tenant in a form. */
export const nameIn = (form: URLSearchParams): string | undefined =>
  form.get('name')?.trim().slice(0, 100) || undefined

/** Upper bound of the tenants that Entra is asked about. */
const MOST_TRIED = 3

/**
 * Asks Entra for a token with the new credential. Returns the problem, or undefined. A tenant
 * without consent does not have the application yet.
 */
export async function tried(
  { deps }: SetupRequest,
  { clientId, kept, first }: Wanted,
): Promise<string | undefined> {
  const { tenants, operatorTenant, ...former } = deps.connection.current()
  const tids = first === undefined ? [...tenants] : [first]
  tids.sort((a, b) => Number(b === operatorTenant) - Number(a === operatorTenant))
  const given = async (candidate: Candidate) => {
    const answers = await Promise.all(
      tids.slice(0, MOST_TRIED).map((tid) => deps.microsoft.tryConnection(tid, candidate)),
    )
    return answers.find(({ ok }) => ok) ?? answers[0]
  }
  const answer = await given({ clientId, credential: kept ?? former.credential })
  if (answer === undefined || answer.ok) return undefined
  const code = answer.code === undefined ? '' : ` (AADSTS${answer.code})`
  const problem = `Nothing was saved. Entra gives no token with this: ${answer.problem}${code}`
  if (answer.guidance !== 'app_missing') return problem
  // Before the first consent a missing application is expected. If the former application works,
  // the new id is wrong.
  const hadWorked =
    former.clientId !== undefined &&
    former.credential !== undefined &&
    (await given(former))?.ok === true
  return hadWorked ? problem : undefined
}

function readCredential(
  { deps, now }: SetupRequest,
  form: URLSearchParams,
): Pick<Wanted, 'kept'> | Problem {
  const { credential, credentialFrom } = deps.connection.current()
  if (credentialFrom === 'environment') return { kept: undefined }
  const kind = form.get('kind')
  const day = (form.get('secret_expires') ?? '').trim()
  const { data: expiresAt } = SETTINGS.entra.secretExpiresAt.schema.safeParse(day)
  if (day !== '' && expiresAt === undefined) return { problem: PROBLEMS.secret_expires }
  if (kind === 'keep' && credential !== undefined)
    return {
      kept: credential.kind === 'secret' && expiresAt ? { ...credential, expiresAt } : undefined,
    }
  if (kind === 'pem') {
    const pem = (form.get('certificate') ?? '').trim()
    const problem = problemOfPem(pem, now * 1000)
    return problem === undefined ? { kept: { kind, pem } } : { problem }
  }
  const secret = (form.get('client_secret') ?? '').trim()
  if (secret === '') return { problem: PROBLEMS.client_secret }
  // Entra shows a value and a GUID; the GUID is the wrong one.
  if (isGuid(secret.toLowerCase()))
    return {
      problem: PROBLEMS.secret_id,
    }
  return { kept: { kind: 'secret', secret, expiresAt } }
}
