import { z } from 'zod'
import {
  ENTRA_SIGN_IN_LOG,
  rejectedPage,
  rejectedRow,
  signInCounts,
  signInFilter,
} from '../acts/sign-ins.ts'
import { MOST_ENTRIES } from '../acts/search.ts'
import { seconds, text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { entryNumber, guid, idText, instant, limit } from './fields.ts'
import { rejectedSignIn } from './shapes.ts'
import { route } from './route.ts'

/** Rejected sign-ins, and how many were accepted. */

const count = z.int()
/** The name of the broker's own pages among the instances. */
const NO_CLIENT = '-'

export const signInRoutes = [
  route(
    'GET /sign-ins',
    {
      id: 'listSignIns',
      tenant: ({ query }, tid) => query.tid === tid,
      query: z.strictObject({
        reference: storedText().max(20).optional(),
        user: idText.optional(),
        tid: guid('a tenant id').optional(),
        client_id: idText.optional(),
        reason: idText.optional(),
        since: instant.optional(),
        until: instant.optional(),
        before: entryNumber.optional(),
        limit,
      }),
      answers: z.object({
        rejected: z.array(rejectedSignIn),
        since: seconds,
        by_reason: z.record(text, count),
        accepted: z.object({ total: count, by_client: z.record(text, count) }),
        next: z.int().nullable(),
        searched_to: z.object({ id: z.int(), at: seconds }).nullable(),
        microsoft_log: text,
      }),
      rejects: [422],
    },
    async ({ deps, now, query: { before, limit: most, ...query } }) => {
      const filter = await signInFilter(deps, query, now)
      const bounds = { before, limit: most, most: MOST_ENTRIES }
      const [{ found, searchedTo }, counts] = await Promise.all([
        rejectedPage(deps, filter, bounds),
        signInCounts(deps, filter, now),
      ])
      const last = found.length < most ? searchedTo : found.at(-1)
      return {
        rejected: found.map((row) => rejectedRow(deps, row)),
        since: filter.since,
        byReason: Object.fromEntries(counts.byReason.map((row) => [row.reason, row.count])),
        accepted: {
          total: counts.accepted,
          byClient: Object.fromEntries(
            counts.byClient.map((row) => [row.clientId ?? NO_CLIENT, row.count]),
          ),
        },
        next: last?.id,
        searchedTo,
        microsoftLog: ENTRA_SIGN_IN_LOG,
      }
    },
  ),
]
