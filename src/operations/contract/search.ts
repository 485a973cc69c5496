import { z } from 'zod'
import { storedText } from '../../protocol/stored-text.ts'
import { loggedRow } from '../acts/revocations.ts'
import { LONGEST_SEARCH, searched } from '../acts/search.ts'
import { rejectedRow } from '../acts/sign-ins.ts'
import { hits } from './shapes.ts'
import { route } from './route.ts'

/** Searches users, clients, sessions, revocations and cases. */

export const searchRoutes = [
  route(
    'GET /search',
    {
      id: 'search',
      query: z.strictObject({
        q: storedText().trim().min(1).max(LONGEST_SEARCH),
      }),
      answers: hits,
    },
    async ({ deps, query, now }) => {
      const { clients, sessions, revocations, signIns, ...found } = await searched(
        deps,
        query.q,
        now,
      )
      return {
        ...found,
        clients: clients.map(({ clientId, metadata }) => ({ clientId, clientName: metadata.name })),
        sessions: sessions.map(({ session, state }) => ({
          ...session,
          state,
          endedSeq: session.ended?.seq,
        })),
        revocations: revocations.map(loggedRow),
        signIns: signIns.map((row) => rejectedRow(deps, row)),
      }
    },
  ),
]
