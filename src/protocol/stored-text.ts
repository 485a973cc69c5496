import { z } from 'zod'

const WITHOUT_NUL = new RegExp(String.raw`^[^\u0000]*$`)

/** Returns whether the store can hold the text: Postgres does not store NUL characters. */
export const canBeStored = (text: string): boolean => !text.includes('\0')

/**
 * Returns whether an encoded address contains a NUL character. Such a request is answered with 400,
 * because no stored text has one.
 */
export const hasNul = (address: string): boolean => address.includes('%00')
export const NUL_IN_ADDRESS =
  'The address has a NUL character (%00), which no text in the store has.'

/**
 * A schema for text that the store can save or compare: it contains no NUL character (U+0000),
 * which Postgres does not store. The caller must limit its length.
 */
export const storedText = (message?: string): z.ZodString =>
  z.string(message).regex(WITHOUT_NUL, 'has a NUL character (U+0000); send it without')
