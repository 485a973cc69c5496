/** Returns text as searches compare it: without case and accents, so that "bjorn" finds Björn. */
export const folded = (value: string): string =>
  value.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase().trim()

/** The most words of a search. Each counts once. */
const MOST_WORDS = 8
export const wordsOf = (text: string): string[] =>
  [...new Set(folded(text).split(/\s+/))].filter(Boolean).slice(0, MOST_WORDS)
