import { CommandFailure, EXIT } from './broker.ts'
import type { Context } from './context.ts'

/** What a dry run counted, in words, and the question before an act that ends sessions of many users. */

export interface Preview {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  without_fresh_sign_in: number
  first_users: { sub: string; name: string | null; username: string | null }[]
  other_subjects: string[]
}

export const previewWords = (end: Preview): string =>
  `${end.sessions} session(s) of ${end.subjects} user(s), at ${end.clients} client(s); ${end.deliveries} logout token(s) to deliver${
    end.without_fresh_sign_in === 0
      ? ''
      : `; ${end.without_fresh_sign_in} of the user(s) come back without a password (their tenant sends no auth_time)`
  }${firstWords(end)}${othersWords(end)}`

const firstWords = ({ subjects, first_users: first }: Preview): string =>
  first.length === 0
    ? ''
    : `; ${first.length < subjects ? 'the first are' : 'they are'} ${first.map(({ sub, name, username }) => [name, username].filter(Boolean).join(' · ') || sub).join(', ')}`

const othersWords = ({ other_subjects: others }: Preview): string =>
  others.length === 0 ? '' : `; it also concerns ${others.length} account(s) of the same user in other tenants: ${others.join(', ')}`

export const dryRunWords = ({ would_end: end }: { would_end: Preview }): string => `This would end ${previewWords(end)}. Nothing was done.\n`

/**
 * Asks the user to confirm an act with its number of sessions.
 * @throws CommandFailure where the user does not agree, or no terminal is there to ask at
 */
export async function agree({ terminal }: Context, end: Preview): Promise<void> {
  const words = previewWords(end)
  if (terminal.ask === undefined) throw new CommandFailure(EXIT.usage, `This would end ${words}. Nothing was done. Add --yes to do it.`)
  const answer = await terminal.ask(`This ends ${words}. Type yes to do it: `)
  if (answer !== 'yes') throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}
