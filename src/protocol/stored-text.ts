import { z } from 'zod'

const WITHOUT_NUL = new RegExp(String.raw`^[^\u0000]*$`)

/** Whether the store can have such a text: Postgres stores no NUL character. */
export const canBeStored = (text: string): boolean => !text.includes('\0')

/** The address of a page that has one: answered 400, because no text in the store has it. */
export const hasNul = (address: string): boolean => address.includes('%00')
export const NUL_IN_ADDRESS =
  'The address has a NUL character (%00), which no text in the store has.'

/**
 * A text of a request that the store can keep or look for: it has no NUL character (U+0000), which
 * Postgres does not store. Limit its length.
 */
export const storedText = (message?: string): z.ZodString =>
  z.string(message).regex(WITHOUT_NUL, 'has a NUL character (U+0000); send it without')
