/** The form of the reference that a page of an error shows. */
const REFERENCE = /^[B-DF-HJ-NP-TV-XZ2-9]{4}-[B-DF-HJ-NP-TV-XZ2-9]{4}$/i

export const isReference = (text: string): boolean => REFERENCE.test(text)

/** Says where to look for a reference that is not of a rejected sign-in. Empty: it is no reference. */
export const aboutReference = (text: string): string =>
  isReference(text)
    ? 'That is the reference of an error page. No rejected sign-in that is kept has it. The operators of the broker find it in its log, in the field “reference”.'
    : ''
