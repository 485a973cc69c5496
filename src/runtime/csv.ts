/** Cells of a CSV (RFC 4180). */

/**
 * What a user chose must not be a formula where a spreadsheet opens the file: an apostrophe before
 * it makes it text.
 */
export const withoutFormula = (text: string): string =>
  /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
export const quotedCell = (text: string): string => `"${text.replaceAll('"', '""')}"`
