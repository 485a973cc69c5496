import type { z } from 'zod'
import type { lock, preview } from '../contract/shapes.ts'
import { agree, type Called } from './context.ts'
import { time } from './show.ts'
import { SAYS } from './texts/answers.ts'

/** Prints the counts of a dry run, and asks before an act that ends the sessions of many users. */

type Preview = z.output<typeof preview>
/** The lock of the same target that is open now, if the act is a lock. */
type Open = z.output<typeof lock> | null

function previewWords(end: Preview): string {
  const first = end.first_users.map(
    ({ sub, name, username }) => [name, username].filter(Boolean).join(' · ') || sub,
  )
  const others = end.other_subjects
  return [
    ...(end.sessions + end.deliveries === 0
      ? ['no session: no user is signed in']
      : [
          `${end.sessions} session(s) of ${end.subjects} user(s), at ${end.clients} client(s)`,
          `${end.deliveries} logout token(s) to deliver`,
        ]),
    ...(end.without_fresh_sign_in === 0
      ? []
      : [
          `${end.without_fresh_sign_in} of the user(s) come back without a password (their tenant sends no auth_time)`,
        ]),
    ...(first.length === 0
      ? []
      : [`${first.length < end.subjects ? 'the first are' : 'they are'} ${first.join(', ')}`]),
    ...(others.length === 0
      ? []
      : [
          `it also concerns ${others.length} account(s) of the same user in other tenants: ${others.join(', ')}`,
        ]),
  ].join('; ')
}

const lockWords = (open: Open | undefined): string =>
  open ? SAYS.lock_open(open.id, open.ends_at === null ? '' : time(open.ends_at)) : ''

export interface Agreeing {
  dryRun?: boolean
  yes?: boolean
}

/**
 * Sends a request after the user has agreed to what it ends. With `--dry-run` it only prints that.
 * @param ask `always`: a wide act. `if_sessions_end`: a change that may end sessions.
 * @returns undefined after a dry run
 * @throws CommandFailure if the user does not agree or cannot be asked
 */
export const agreed =
  (ask: 'always' | 'if_sessions_end' | 'never') =>
  async <A>(
    send: (more?: object) => Promise<A>,
    { context, self, options: { dryRun, yes } }: Called<Agreeing>,
  ): Promise<A | undefined> => {
    if (dryRun === true || (ask !== 'never' && yes !== true)) {
      const answer = (await send({ dry_run: true })) as { would_end: Preview; open?: Open }
      const words = `This would end ${previewWords(answer.would_end)}.${lockWords(answer.open)}`
      if (dryRun === true) {
        context.print(self, answer, () => `${words} Nothing was done.\n`)
        return undefined
      }
      if (ask === 'always' || answer.would_end.sessions > 0) await agree(context, words)
    }
    return send()
  }
