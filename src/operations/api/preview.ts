import { z } from 'zod'
import type { RevocationPreview } from '../../../db/store.ts'
import { firstUsers } from '../acts/revocations.ts'
import type { Deps } from '../deps.ts'
import { shape } from './route.ts'

/** What a dry run says. */

/** A member of a request. */
export const dryRun = z.boolean().default(false)

export const previewSchema = shape('Preview', {
  sessions: z.int(),
  subjects: z.int(),
  clients: z.int(),
  deliveries: z.int(),
  without_fresh_sign_in: z
    .int()
    .meta({ description: 'users of tenants that have never sent auth_time: they come back without entering their password' }),
  first_users: z
    .array(z.object({ sub: z.string(), name: z.string().nullable(), username: z.string().nullable() }))
    .meta({ description: 'the first of the users, ten at most' }),
  other_subjects: z.array(z.string()).meta({
    description: 'of one user: the same human in other tenants. A lock covers them; after a revocation they too have to sign in afresh',
  }),
})
export const previewShown = async (
  deps: Pick<Deps, 'store'>,
  { withoutFreshSignIn, firstSubjects, otherSubjects, ...counted }: RevocationPreview,
) => ({
  ...counted,
  first_users: (await firstUsers(deps, firstSubjects)).map(({ sub, name = null, username = null }) => ({ sub, name, username })),
  without_fresh_sign_in: withoutFreshSignIn,
  other_subjects: otherSubjects,
})

/** The dry run of a change that may lower `max_authentication_age`. */
export const dryRunOfChange = z.object({
  dry_run: z.literal(true),
  would_end: previewSchema.meta({ description: 'what a lower max_authentication_age ends at once' }),
})
export const dryRunShown = async (deps: Pick<Deps, 'store'>, end: RevocationPreview) =>
  ({ dry_run: true, would_end: await previewShown(deps, end) }) as const
