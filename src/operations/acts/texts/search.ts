/** The form of the reference that a page of an error shows. */
const REFERENCE = /^[B-DF-HJ-NP-TV-XZ2-9]{4}-[B-DF-HJ-NP-TV-XZ2-9]{4}$/i

/** Says where to look for the reference of an error page. Empty: the text is no such reference. */
export const aboutReference = (text: string): string =>
  REFERENCE.test(text)
    ? 'That is the reference of an error page. The operators of the broker find it in its log, in the field “reference”.'
    : ''
