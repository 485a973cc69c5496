import type { Json } from './broker.ts'
import { agree, CASE, type Called, group, local, option, verb, YES } from './context.ts'
import { USER, userIn, type UserOptions } from './locks.ts'
import { withName } from './show.ts'
import { OPTION } from './texts/options.ts'
import { SAYS } from './texts/answers.ts'

const COMMENT = option('--comment <text>', OPTION.comment)

/** The commands `cmb users`, for users who request their data or its erasure. */
export const userCommands = group(
  'users',
  local<UserOptions & { case?: string; comment?: string }>(
    {
      name: 'export',
      flags: [...USER, CASE.case_reference, COMMENT, YES],
    },
    async ({ context, self, options }) => {
      const broker = await context.broker(self)
      const { case: reference, comment } = options
      const held: Record<string, Json[]> = {}
      const send = (members: object) => broker.ask('POST /users/export', members)
      let page = await send({
        ...(await userIn({ broker, context, options })),
        case_reference: reference,
        comment,
      })
      for (; ; page = await send({ next: page.next })) {
        for (const { kind, values } of page.records) (held[kind] ??= []).push(values)
        if (page.next === null) break
      }
      context.terminal.out(`${JSON.stringify({ sub: page.sub, ...held }, null, 2)}\n`)
    },
  ),
  verb({
    name: 'erase',
    at: 'POST /users/erase',
    takes: {
      ...CASE,
      comment: COMMENT,
    },
    flags: [...USER, YES],
    // The question before the act names the user.
    members: ({ options, ...called }: Called<UserOptions>) =>
      userIn({ ...called, options: { ...options, yes: true } }),
    ask: async (send, { context, broker, options: { yes } }) => {
      if (yes !== true) {
        const dry: unknown = await send({ dry_run: true })
        const { sub, would_end: end } = dry as { sub: string; would_end: { sessions: number } }
        const { users } = await broker.ask('GET /search', { q: sub })
        const name = users[0]?.name ?? users[0]?.username ?? undefined
        const ends = `This ends ${end.sessions} session(s) of ${withName(name, sub)} and forgets who that is; it cannot be undone.`
        await agree(context, ends)
      }
      return send()
    },
    words: ({ sub, seq }) => SAYS.erased(sub, seq),
  }),
)
