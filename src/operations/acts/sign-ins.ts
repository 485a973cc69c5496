import type { RejectedSignIn, RejectedSignInFilter } from '../../../db/types.ts'
import { BUILT_IN } from '../../config/languages/language.ts'
import { textsIn } from '../../config/languages/texts.ts'
import { guidanceFor, guidanceKey } from '../../microsoft/guidance.ts'
import type { Deps } from '../deps.ts'
import { MOST_ENTRIES, onlyUser, usersFor } from './search.ts'

/**
 * The sign-ins that were rejected, with the words that their users read and what an operator does,
 * and how many were accepted. Those that Microsoft stopped are in the sign-in log of Entra alone.
 */

/** The sign-in log in the Entra admin center. */
export const ENTRA_SIGN_IN_LOG =
  'https://entra.microsoft.com/#view/Microsoft_AAD_IAM/SignInEventsV3Blade'

/** The period that is shown where none is named. */
export const SHOWN_DAYS = 7
const DAY = 86_400

type Known = Pick<Deps, 'store' | 'clients' | 'connection'>

interface SignInQuery {
  /** The reference on the user's page, without regard to the other members but `tid`. */
  reference?: string | undefined
  /** A user, by id or words of a name; or a part of a username that the broker does not know. */
  user?: string | undefined
  tid?: string | undefined
  clientId?: string | undefined
  reason?: string | undefined
  since?: number | undefined
  until?: number | undefined
}
export interface SignInFilter extends RejectedSignInFilter {
  /** The user, where the broker knows them. */
  sub?: string | undefined
  since: number
  /** The rejected sign-in that was asked for by its reference. The filter is then of its user. */
  found?: readonly RejectedSignIn[]
}

/** Looks up what a filter names. @throws Problem 422 if its user may be several */
export async function signInFilter(
  deps: Known,
  { reference, user, since: from, ...rest }: SignInQuery,
  now: number,
): Promise<SignInFilter> {
  const since = from ?? now - SHOWN_DAYS * DAY
  if (reference !== undefined) {
    const row = await deps.store.findRejectedSignIn(reference.toUpperCase())
    const isTheirs = rest.tid === undefined || row?.user?.tid === rest.tid
    if (row === undefined || !isTheirs) return { tid: rest.tid, since, found: [] }
    const { tid, oid, sub } = row.user ?? {}
    return { tid, oid, sub, since, found: [row] }
  }
  if (user === undefined) return { ...rest, since }
  const found = await usersFor(deps, user, rest.tid)
  if (found.users.length === 0) return { ...rest, since, who: user }
  const { sub, tid, oid } = onlyUser(user, found)
  return { ...rest, since, sub, tid, oid }
}

/** Returns a page of rejected sign-ins, newest first, from before the id `before`. */
export const rejectedPage = async (
  { store }: Pick<Deps, 'store'>,
  { found, ...filter }: SignInFilter,
  bounds: { before: number | undefined; limit: number; most: number },
): ReturnType<Deps['store']['listRejectedSignIns']> =>
  found === undefined
    ? store.listRejectedSignIns({ ...filter, ...bounds })
    : { found: [...found], searchedTo: undefined }

/** Counts what a filter covers: rejected sign-ins by reason, and accepted ones by instance. */
export async function signInCounts(
  { store }: Pick<Deps, 'store'>,
  filter: SignInFilter,
  now: number,
) {
  const { sub, tid, oid, who, clientId, since } = filter
  const until = Math.min(filter.until ?? now + 1, now + 1)
  // A user whom the broker does not know has never been accepted.
  const isUnknown = who !== undefined || (oid !== undefined && sub === undefined)
  const [byReason, byClient] = await Promise.all([
    store.rejectedByReason({ ...filter, most: MOST_ENTRIES }),
    isUnknown ? [] : store.acceptedByClient({ sub, tid, clientId, since, until }),
  ])
  return { rejected: sumOfCounts(byReason), byReason, accepted: sumOfCounts(byClient), byClient }
}

/** Returns how many sign-ins the rows of a count have together. */
export const sumOfCounts = (rows: readonly { count: number }[]): number =>
  rows.reduce((sum, { count }) => sum + count, 0)

/** Returns a rejected sign-in for the API. */
export function rejectedRow(deps: Pick<Deps, 'config'>, row: RejectedSignIn) {
  const { title, read, fix } = rejectionWords(deps, row)
  return { ...row, microsoftCode: row.code, userRead: `${title}. ${read}`, fix }
}

/** Returns the heading and the text of the page that the user read, and what an operator does. */
export function rejectionWords(
  { config }: Pick<Deps, 'config'>,
  { reason }: Pick<RejectedSignIn, 'reason'>,
) {
  const { guidance } = textsIn(BUILT_IN, config.look.product)
  const { title, read } = guidance[guidanceKey(reason)] as {
    title: string
    read: readonly string[]
  }
  return { title, read: read.join(' '), fix: guidanceFor(reason).operator }
}
