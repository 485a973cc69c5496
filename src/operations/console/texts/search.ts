import { aboutReference } from '../../acts/texts/search.ts'
import { plural } from '../format.ts'

/** The words of the page of search results. */

export const SEARCH = {
  enter: 'Enter a search in the box above.',
  title: 'What can be found',
} as const

export const foundWords = (text: string, hits: number, moreUsers: boolean): string =>
  hits === 0
    ? aboutReference(text) || 'No entry matches.'
    : `${plural(hits, 'hit')}.${moreUsers ? ' More users may match: add a word.' : ''}`

/** Says what can be found: by administrators of a tenant too, and by operators. */
export const HINTS = {
  tenant: [
    'A user: the beginnings of words of their name, username or address, in any order. Or their whole sub or object id.',
    'A session, live or ended: its whole id, which begins with s_.',
    'A rejected sign-in: the reference on the page that the user saw, such as BCDF-GHJK.',
  ],
  operators: [
    'An instance: a part of its name or its id.',
    'A revocation: its number. A case: its whole reference.',
  ],
} as const
