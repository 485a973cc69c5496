import type { User } from '../../db/types.ts'
import type { Child } from 'hono/jsx'
import { type Texts, useTexts } from './texts.ts'

/** Components of pages. Each works by keyboard and without scripts. */

interface ButtonProps {
  children: Child
  kind?: 'primary' | 'quiet' | 'danger' | undefined
  /** The name of the field that the form sends when this button is pressed. */
  name?: string | undefined
  value?: string | undefined
  /** True for the full width of the card. */
  block?: boolean | undefined
  small?: boolean | undefined
  /**
   * The accessible name, for a screen reader that reads the button alone: "Sign out Firefox on
   * Windows".
   */
  label?: string | undefined
}

const buttonClass = ({
  kind = 'primary',
  block,
  small,
}: Pick<ButtonProps, 'kind' | 'block' | 'small'>): string =>
  ['button', kind === 'primary' ? '' : kind, block ? 'block' : '', small ? 'small' : '']
    .filter(Boolean)
    .join(' ')

/** A button that submits its form. */
export const Button = (props: ButtonProps) => (
  <button
    type="submit"
    class={buttonClass(props)}
    name={props.name}
    value={props.value}
    aria-label={props.label}
  >
    {props.children}
  </button>
)

export const LinkButton = (props: Omit<ButtonProps, 'name' | 'value'> & { href: string }) => (
  <a class={buttonClass(props)} href={props.href} aria-label={props.label}>
    {props.children}
  </a>
)

/**
 * "Sign in with Microsoft" by Microsoft's branding guidelines, which set wording, logo, colors and
 * sizes.
 */
export const MicrosoftButton = ({ href }: { href: string }) => {
  const t = useTexts()
  return (
    <a class="microsoft" href={href}>
      <span>{t.shared.signInWithMicrosoft}</span>
    </a>
  )
}

/** A link to the page where users find out why they cannot sign in. */
export const Trouble = () => {
  const t = useTexts()
  return (
    <p class="soft small">
      {t.shared.trouble({ link: <a href="/account/ready">{t.shared.checkAccount}</a> })}
    </p>
  )
}

/** Links between related pages; the current one is marked. */
export const PageLinks = ({
  links,
  at,
}: {
  links: readonly (readonly [href: string, label: string])[]
  at: string | undefined
}) => (
  <ul class="ways">
    {links.map(([href, label]) => (
      <li>
        <a href={href} aria-current={href === at ? 'page' : undefined}>
          {label}
        </a>
      </li>
    ))}
  </ul>
)

/** An important notice. Screen readers announce `bad` and `warn`. */
export const Notice = ({
  kind = 'info',
  title,
  children,
  focused,
}: {
  kind?: 'info' | 'good' | 'warn' | 'bad'
  /** True if the notice gets the focus, because it answers the form that the reader sent. */
  focused?: boolean | undefined
  title?: string | undefined
  children?: Child
}) => (
  <div
    class={`notice ${kind}`}
    role={kind === 'bad' ? 'alert' : kind === 'info' ? undefined : 'status'}
    tabindex={focused ? -1 : undefined}
    autofocus={focused}
  >
    {title === undefined ? null : <strong>{title}</strong>}
    {children === undefined ? null : <div>{children}</div>}
  </div>
)

/** A list of names and values. Items without a value are left out. */
export const Facts = ({
  items,
}: {
  items: readonly (readonly [term: string, value: Child | undefined])[]
}) => (
  <dl class="facts">
    {items
      .filter(([, value]) => value !== undefined && value !== null && value !== '')
      .map(([term, value]) => (
        <>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </>
      ))}
  </dl>
)

interface Choice {
  value: string
  label: Child
  hint?: Child | undefined
}

/** A group of radio buttons. The first is chosen unless `chosen` names another. */
export const Choices = ({
  legend,
  name,
  options,
  chosen,
}: {
  legend: string
  name: string
  options: readonly Choice[]
  chosen?: string | undefined
}) => (
  <fieldset>
    <legend>{legend}</legend>
    {options.map((option, index) => (
      <label class="choice">
        <input
          type="radio"
          name={name}
          value={option.value}
          checked={chosen === undefined ? index === 0 : chosen === option.value}
          required
        />
        <span>{option.label}</span>
        {option.hint === undefined ? null : <span class="hint">{option.hint}</span>}
      </label>
    ))}
  </fieldset>
)

/** A checkbox. Sends `name=yes` if it is ticked. */
export const Tick = ({
  name,
  label,
  hint,
  checked,
}: {
  name: string
  label: Child
  hint?: Child | undefined
  checked?: boolean | undefined
}) => (
  <label class="choice">
    <input type="checkbox" name={name} value="yes" checked={checked} />
    <span>{label}</span>
    {hint === undefined ? null : <span class="hint">{hint}</span>}
  </label>
)

/** The hidden fields of a form. */
export const HiddenFields = ({
  fields,
}: {
  fields: Readonly<Record<string, string | undefined>>
}) => (
  <>
    {Object.entries(fields).map(([name, value]) =>
      value === undefined ? null : <input type="hidden" name={name} value={value} />,
    )}
  </>
)

/** A numbered list of instructions. */
export const Steps = ({ items }: { items: readonly Child[] }) => (
  <ol class="steps">
    {items.map((item) => (
      <li>
        <div>{item}</div>
      </li>
    ))}
  </ol>
)

/** The mark of an answer. `off` means no, without a problem. */
const MARK = { yes: '✓', no: '✕', warning: '!', unknown: '?', off: '–' } as const

/** A question with its answer in plain words and the next step. */
export const Answer = ({
  question,
  is,
  says,
  children,
}: {
  question: string
  is: keyof typeof MARK
  /** The answer in words. Default: those of the mark. */
  says?: string | undefined
  children?: Child
}) => {
  const t = useTexts()
  return (
    <div class={`answer ${is}`}>
      <span class="mark" aria-hidden="true">
        {MARK[is]}
      </span>
      <h2>{question}</h2>
      <div class="tight">
        <p>
          <strong>{says ?? t.answer[is === 'off' ? 'no' : is]}</strong>
        </p>
        {children}
      </div>
    </div>
  )
}

/** Returns a user's name and address as pages show them. */
export function userWords({ name, username, email }: User, t: Texts): string {
  const address = username ?? email
  if (name === undefined) return address ?? t.shared.unnamedUser
  return address === undefined ? name : `${name} (${address})`
}
