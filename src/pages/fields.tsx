import type { Child } from 'hono/jsx'

/** Form fields: a label, an input, and a hint that screen readers read with it. */

interface FieldProps {
  label: Child
  name: string
  /** Default: the value of `name`. */
  id?: string
  hint?: Child
}

interface TextFieldProps extends FieldProps {
  value?: string | undefined
  /** The number of lines of a multi-line field. */
  lines?: number | undefined
  maxlength?: number | undefined
  placeholder?: string | undefined
  required?: boolean | undefined
  secret?: boolean | undefined
  /** True for an id, a key or a word to copy, which is not checked for spelling. */
  literal?: boolean | undefined
}

const LITERAL = { spellcheck: false, autocapitalize: 'none' } as const

export function TextField({
  label,
  name,
  id = name,
  hint,
  value,
  lines,
  secret,
  literal,
  ...limits
}: TextFieldProps) {
  const described = hint === undefined ? undefined : `${id}-hint`
  const both = {
    id,
    name,
    ...limits,
    autocomplete: 'off',
    'aria-describedby': described,
    ...(literal && LITERAL),
  }
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {lines === undefined ? (
        <input {...both} type={secret ? 'password' : 'text'} value={value} />
      ) : (
        <textarea {...both} rows={lines}>
          {value}
        </textarea>
      )}
      {hint === undefined ? null : (
        <p class="soft small" id={described}>
          {hint}
        </p>
      )}
    </div>
  )
}

type Option = readonly [value: string, text: Child]

export const SelectField = ({
  label,
  name,
  id = name,
  options,
  chosen,
}: FieldProps & { options: readonly Option[]; chosen?: string | undefined }) => (
  <div class="field">
    <label for={id}>{label}</label>
    <select id={id} name={name}>
      {options.map(([value, text]) => (
        <option value={value} selected={value === chosen}>
          {text}
        </option>
      ))}
    </select>
  </div>
)

const TIME = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2})?)?$/

/**
 * Returns the time of a `MomentField` in epoch seconds, NaN if the text is none, or undefined for
 * no text.
 */
export function timeIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const zoned = text.length === 10 ? `${text}T00:00Z` : `${text}Z`
  return TIME.test(text) ? Math.floor(Date.parse(zoned) / 1000) : Number.NaN
}

/** A time in UTC to the minute. @param at epoch seconds */
export const MomentField = ({
  label,
  name,
  id = name,
  at,
}: FieldProps & { at?: number | undefined }) => (
  <div class="field">
    <label for={id}>{label}</label>
    <input
      id={id}
      name={name}
      type="datetime-local"
      value={at ? new Date(at * 1000).toISOString().slice(0, 16) : undefined}
    />
  </div>
)
