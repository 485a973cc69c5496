import type { Command } from 'commander'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import type { Context } from './context.ts'

/** What a dry run counted, in words, and the question before an act that ends sessions of many users. */

interface Preview {
  sessions: number
  subjects: number
  clients: number
  deliveries: number
  without_fresh_sign_in: number
  first_users: { sub: string; name: string | null; username: string | null }[]
  other_subjects: string[]
}

const previewWords = (end: Preview): string =>
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

interface Request {
  method: 'POST' | 'PATCH'
  path: string
  body: Json
}
interface Agreeing {
  /** `always`: a wide act. `if_sessions_end`: a change that may end sessions. */
  ask: 'always' | 'if_sessions_end' | 'never'
  dryRun: boolean | undefined
  yes: boolean | undefined
}

/**
 * Sends a request once the user has agreed to what it ends. With `--dry-run` it prints what the request would end, and sends nothing else.
 * @returns undefined after a dry run
 * @throws CommandFailure where the user does not agree, or no terminal is there to ask at
 */
export async function sendAgreed<T>(context: Context, self: Command, { method, path, body }: Request, how: Agreeing): Promise<T | undefined> {
  const broker = await context.broker(self)
  const preview = () => broker.send<{ would_end: Preview }>(method, path, { ...body, dry_run: true })
  if (how.dryRun === true) {
    const answer = await preview()
    context.print(self, answer, () => `This would end ${previewWords(answer.would_end)}. Nothing was done.\n`)
    return undefined
  }
  if (how.ask !== 'never' && how.yes !== true) {
    const { would_end: end } = await preview()
    if (how.ask === 'always' || end.sessions > 0) await agree(context, end)
  }
  return broker.send<T>(method, path, body)
}

async function agree({ terminal }: Context, end: Preview): Promise<void> {
  const words = previewWords(end)
  if (terminal.ask === undefined) throw new CommandFailure(EXIT.usage, `This would end ${words}. Nothing was done. Add --yes to do it.`)
  const answer = await terminal.ask(`This ends ${words}. Type yes to do it: `)
  if (answer !== 'yes') throw new CommandFailure(EXIT.failed, 'Nothing was done.')
}
