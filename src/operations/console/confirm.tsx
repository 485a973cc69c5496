import type { Child } from 'hono/jsx'
import { FRESH_SECONDS } from '../../clients/session/lifetimes.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { Panel } from './layout.tsx'

/**
 * The last page before an act, in both consoles: what it would end, a fresh sign-in where it needs
 * one, the case, and the button.
 */

interface ConfirmProps {
  problem?: string | undefined
  notices?: Child
  facts: Parameters<typeof Facts>[0]['items']
  /** What follows the facts: warnings, and the demand for a fresh sign-in. */
  after?: Child
  action: string
  /** The fields of the form. */
  children: Child
  button: string
  kind?: 'danger'
  back: { href: string; label?: string }
}
export const Confirm = ({
  problem,
  notices,
  facts,
  after,
  action,
  children,
  button,
  kind,
  back,
}: ConfirmProps) => (
  <Panel class="narrow">
    {problem === undefined ? null : <Notice kind="bad" title={problem} />}
    {notices}
    <Facts items={facts} />
    {after}
    <form class="stack" method="post" action={action}>
      {children}
      <div class="row">
        <Button kind={kind}>{button}</Button>
        <LinkButton kind="quiet" href={back.href}>
          {back.label ?? 'Back'}
        </LinkButton>
      </div>
    </form>
  </Panel>
)

export const NOT_FRESH = 'Nothing was done yet: sign in again first.'

/**
 * What an attacker at an open console must not do needs a recent sign-in: it happens in another
 * tab, so that nothing filled in is lost.
 */
export const SignInAgain = ({
  what,
  href = '/ops/sign-in?fresh=yes&return_to=/ops/fresh',
}: {
  what: string
  href?: string
}) => (
  <Notice
    kind="warn"
    title={`${what} needs a sign-in that is no older than ${FRESH_SECONDS / 60} minutes`}
  >
    <p>
      <a href={href} target="_blank" rel="noopener">
        Sign in again (in a new tab)
      </a>
      , then come back here and go on. What you filled in stays.
    </p>
  </Notice>
)

const LONGEST_CASE = 200
const LONGEST_COMMENT = 2000

/** @param said what was typed before */
export const CaseAndCommentFields = ({
  said = {},
}: {
  said?: { caseReference?: string | undefined; comment?: string | undefined } | undefined
}) => (
  <>
    <TextField
      name="case_reference"
      label="Case reference"
      hint="Kept in the log and in the audit log."
      value={said.caseReference}
      maxlength={LONGEST_CASE}
      literal
    />
    <TextField
      name="comment"
      label="Comment"
      lines={3}
      value={said.comment}
      maxlength={LONGEST_COMMENT}
    />
  </>
)

/** A text that is too long is cut off. */
export function caseAndCommentIn(form: URLSearchParams): {
  caseReference: string | undefined
  comment: string | undefined
} {
  const words = (name: string, most: number): string | undefined =>
    (form.get(name) ?? '').trim().slice(0, most) || undefined
  return {
    caseReference: words('case_reference', LONGEST_CASE),
    comment: words('comment', LONGEST_COMMENT),
  }
}

/** A word that the reader types before an act that signs many users out. */
const NAME = 'typed'

/** @param meaning follows the word in the label */
export const TypedWord = ({ word, meaning = '' }: { word: string; meaning?: string }) => (
  <TextField
    name={NAME}
    label={
      <>
        Type <code>{word}</code>
        {meaning} to sign them out
      </>
    }
    literal
    required
  />
)

/**
 * Returns what the page says where the form does not hold the word, and undefined where it does or
 * no word is asked for.
 */
export const notTyped = (form: URLSearchParams, word: string | undefined): string | undefined =>
  word === undefined || form.get(NAME)?.trim() === word
    ? undefined
    : `Nothing was done: what was typed is not ${word}.`

/** For how long a user is locked, as the forms of both consoles offer it. */
const HOURS = ['1', '8', '24'] as const

export const HOUR_CHOICES = HOURS.map(
  (hours) => [hours, hours === '1' ? '1 hour' : `${hours} hours`] as const,
)
export const UNTIL_LIFTED = ['', 'Until an administrator lifts it'] as const

/** @returns undefined: until it is lifted */
export function endOf(hours: string | null, now: number): number | undefined {
  const known = HOURS.find((one) => one === hours)
  return known === undefined ? undefined : now + Number(known) * 3600
}
