import type { Child } from 'hono/jsx'

/** Fields of forms: a label, what is typed or chosen, and a hint that is read with it. */

interface FieldProps {
  label: Child
  name: string
  /** Not given: the name. */
  id?: string
  hint?: Child
}

interface TextFieldProps extends FieldProps {
  value?: string | undefined
  /** Several lines. */
  lines?: number | undefined
  maxlength?: number | undefined
  placeholder?: string | undefined
  required?: boolean | undefined
  secret?: boolean | undefined
  /** An id, a key, a word to copy: no prose. */
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
