/** Cells of a CSV (RFC 4180). */

/**
 * Returns text that a spreadsheet does not run as a formula. Text from users that begins like one
 * gets an apostrophe in front.
 */
export const withoutFormula = (text: string): string =>
  /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
export const quotedCell = (text: string): string => `"${text.replaceAll('"', '""')}"`
