/** Text as searches compare it: without case and accents, so that "bjorn" finds Björn. */
export const folded = (value: string): string =>
  value.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trim()

/** The words of a search, each once: at most so many. */
const MOST_WORDS = 8
export const wordsOf = (text: string): string[] =>
  [...new Set(folded(text).split(/\s+/))].filter(Boolean).slice(0, MOST_WORDS)
