import { verb } from './context.ts'
import { inWords } from './show.ts'

export const searchCommand = verb({
  name: 'search <text...>',
  at: 'GET /search',
  members: ({ self }) => ({ text: undefined, q: self.args.join(' ') }),
  words: ({ more_users: more, ...found }) =>
    inWords(found, {
      users: ['sub', 'name', 'username'],
      clients: ['client_id', 'client_name'],
      sessions: ['sid', 'state', 'device', 'sub'],
      revocations: ['seq', 'reason', 'case_reference'],
      sign_ins: ['reference', 'at', 'user', 'client_id', 'user_read', 'fix'],
      cases: ['case_reference', 'revocations', 'locks'],
    }) + (more ? 'More users may match: add a word.\n' : ''),
})
