/** The words that lists of the console share. */

export const LIST = {
  noneSoFar: 'No match so far.',
  more: 'More match: add a word.',
  csv: 'Download as CSV',
  tooMany: ['Too many match', 'Too many match to list them all: add a word.'],
  noTime: (text: string | undefined) =>
    ['A field has no time', `${text} is no time, such as 2026-11-24T09:00.`] as const,
  from: 'From (UTC)',
  before: 'Before (UTC)',
  showAll: 'Show all',
} as const

/** The links between the pages of a list. */
export const PAGES = {
  of: (list: string): string => `Pages of ${list}`,
  first: 'First page',
  previous: 'Previous page',
  next: 'Next page',
  further: 'Search further back',
}
