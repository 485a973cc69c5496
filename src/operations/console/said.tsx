import { TextField } from '../../pages/fields.tsx'

/** What an act's form asks for its entry in the audit log, and what it says. */

const LONGEST_CASE = 200
const LONGEST_COMMENT = 2000

/** @param said what was typed before */
export const SaidFields = ({ said = {} }: { said?: { caseReference?: string | undefined; comment?: string | undefined } | undefined }) => (
  <>
    <TextField
      name="case_reference"
      label="Case reference"
      hint="Kept in the log and in the audit log."
      value={said.caseReference}
      maxlength={LONGEST_CASE}
      literal
    />
    <TextField name="comment" label="Comment" lines={3} value={said.comment} maxlength={LONGEST_COMMENT} />
  </>
)

/** A text that is too long is cut off. */
export function saidIn(form: URLSearchParams): { caseReference: string | undefined; comment: string | undefined } {
  const words = (name: string, most: number): string | undefined => (form.get(name) ?? '').trim().slice(0, most) || undefined
  return { caseReference: words('case_reference', LONGEST_CASE), comment: words('comment', LONGEST_COMMENT) }
}
