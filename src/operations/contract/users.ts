import { z } from 'zod'
import { HELD_KINDS, type HeldRecord } from '../../../db/types.ts'
import { Problem } from '../../audit/problem.ts'
import { text } from '../../protocol/described.ts'
import { storedText } from '../../protocol/stored-text.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import { withFirstUsers } from '../acts/revocations.ts'
import { caseAndComment, dryRun, guid, idText, nullable, shape } from './fields.ts'
import { preview } from './shapes.ts'
import type { Fields } from './wire.ts'
import type { Deps } from '../deps.ts'
import { type Recording, route } from './route.ts'

/**
 * Exports what is stored about a user, and erases the user after signing them out everywhere. The
 * audit log names them by `sub` alone.
 */

const bySub = { sub: idText, ...caseAndComment }
const byOid = { tid: guid('a tenant id'), oid: guid('an object id'), ...caseAndComment }
const exportRequest = z.union(
  [
    z.strictObject(bySub),
    z.strictObject(byOid),
    z.strictObject({ next: storedText().min(1).max(1000) }),
  ],
  'name sub, or tid and oid (GUIDs); for the next page, send next alone',
)
const held = shape('HeldRecord', {
  kind: z.enum(HELD_KINDS),
  values: z.record(text, z.union([text, z.number(), z.null()])),
})
const dryRunAnswer = z.object({ dry_run: z.literal(true), sub: text, would_end: preview })

export const userRoutes = [
  route(
    'POST /users/export',
    {
      id: 'exportUser',
      audit: 'users.export',
      body: exportRequest,
      answers: z.object({ sub: text, records: z.array(held), next: nullable }),
      rejects: [404],
    },
    ({ deps, record, body }) => exportPage(deps, record, body),
  ),
  route(
    'POST /users/erase',
    {
      id: 'eraseUser',
      audit: 'users.erase',
      body: z.union(
        [
          z.strictObject({ ...bySub, dry_run: dryRun }),
          z.strictObject({ ...byOid, dry_run: dryRun }),
        ],
        'name sub, or tid and oid (GUIDs)',
      ),
      answers: z.union([
        z.object({ erased: z.literal(true), sub: text, seq: z.int() }),
        dryRunAnswer,
      ]),
      rejects: [404],
    },
    async ({
      deps,
      caller,
      now,
      record,
      body: { caseReference, comment, dryRun: dry, ...who },
    }) => {
      const sub = await subOf(deps, who)
      if (dry) {
        const end = await deps.store.previewRevocation({ kind: 'subject', sub }, now)
        return { dryRun: true as const, sub, wouldEnd: await withFirstUsers(deps, end) }
      }
      const why = { caseReference, comment }
      const erase = async () => {
        const answer = await deps.store.eraseUser({ sub, actor: caller.actor, ...why, now })
        if (answer.outcome === 'unknown') throw noSuch('user')
        return answer.committed.revocation.seq
      }
      const seq = await record(`subject ${sub}`, undefined, erase, (number) => ({ seq: number }))
      return { erased: true as const, sub, seq }
    },
  ),
]

/** Bounds of one page: rows of one store act, acts of a page, records of a page. */
const [ROWS_IN_AN_ACT, ACTS_IN_A_PAGE, RECORDS] = [500, 20, 200]
const PLACE = 'users/export'
interface Place {
  sub: string
  cursor: string | undefined
}

/**
 * Returns a page of a user's export. The cursor is sealed, so it comes from an earlier page, and
 * the first page is in the audit log.
 */
async function exportPage(
  deps: Deps,
  record: Recording,
  body: Fields<z.output<typeof exportRequest>>,
) {
  const { sub, cursor: first } =
    'next' in body ? openPlace(deps, body.next) : await begin(deps, record, body)
  const records: HeldRecord[] = []
  let cursor = first
  for (let acts = 0; acts < ACTS_IN_A_PAGE && records.length < RECORDS; acts++) {
    const page = await deps.store.exportUser({ sub, cursor, limit: ROWS_IN_AN_ACT })
    if (page === undefined) throw noSuch('user')
    records.push(...page.records)
    cursor = page.next
    if (cursor === undefined) break
  }
  return {
    sub,
    records,
    next:
      cursor === undefined
        ? null
        : deps.sealer.seal(PLACE, JSON.stringify({ sub, cursor } satisfies Place)),
  }
}

function openPlace({ sealer }: Deps, next: string): Place {
  const opened = sealer.open(PLACE, next)
  if (opened === undefined)
    throw new Problem(404, 'No such page', 'Send next exactly as the previous page returned it.')
  return JSON.parse(opened.toString('utf8')) as Place
}

async function begin(
  deps: Deps,
  record: Recording,
  user: Parameters<typeof subOf>[1],
): Promise<Place> {
  const sub = await subOf(deps, user)
  return record(`subject ${sub}`, undefined, async () => ({ sub, cursor: undefined }))
}

/** Returns the `sub` of a user. @throws Problem 404 */
async function subOf(
  { store }: Deps,
  who: { sub: string } | { tid: string; oid: string },
): Promise<string> {
  const subject =
    'sub' in who
      ? await store.findSubject(who.sub)
      : await store.findSubjectByUser(who.tid, who.oid)
  return existing('user', subject).sub
}
