import { aboutReference } from '../acts/texts/search.ts'
import { verb } from './context.ts'
import { inWords } from './show.ts'

export const searchCommand = verb({
  name: 'search <text...>',
  at: 'GET /search',
  members: ({ self }) => ({ text: undefined, q: self.args.join(' ') }),
  words: ({ more_users: more, ...found }, { self }) => {
    const said = aboutReference(self.args.join(' '))
    if (said && !Object.values(found).some((hits) => hits.length)) return `${said}\n`
    return (
      inWords(found, {
        users: ['sub', 'name', 'username'],
        clients: ['client_id', 'client_name'],
        sessions: ['sid', 'state', 'device', 'sub'],
        revocations: ['seq', 'reason', 'case_reference'],
        cases: ['case_reference', 'revocations', 'locks'],
      }) + (more ? 'More users may match: add a word.\n' : '')
    )
  },
})
