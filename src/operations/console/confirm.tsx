import type { Child } from 'hono/jsx'
import { Problem } from '../../clients/problem.ts'
import type { CaseAndComment } from '../../clients/with-audit.ts'
import { FRESH_SECONDS, isFresh } from '../../clients/session/lifetimes.ts'
import { readAsset } from '../../pages/assets.ts'
import type { LockTarget } from '../../protocol/lock-target.ts'
import type { Selector } from '../../protocol/revocation.ts'
import { tenantName } from '../acts/names.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { withoutMicrosoft } from './microsoft-down.tsx'
import { consolePage, Hidden, nothingHere, Panel } from './layout.tsx'
import {
  type ConsoleRequest,
  isOperator,
  linkOf,
  type Mounted,
  pageLink,
  queried,
} from './request.ts'

/**
 * The page that confirms an act. It shows what the act would change, and asks for a recent sign-in,
 * the case and a comment. Before an act that concerns many users, the reader also types a word. The
 * sign-in opens in another tab, so that the form keeps what was filled in.
 */

const AGAIN = readAsset(import.meta.url, './again.js')

type At = Parameters<typeof consolePage>[1]['at']

/** The parts of the page that describe an act. */
interface Shown {
  facts: Parameters<typeof Facts>[0]['items']
  /** Content above the facts (`notices`) and below them (`after`). */
  notices?: Child
  after?: Child
  /** Input fields besides case and comment. */
  more?: Child
}

interface Act {
  title: string
  at: At
  /** The path of the form (`action`), and the hidden fields that identify the object of the act. */
  action: string
  fields: Record<string, string | undefined>
  /** The hint of the comment field. If set, the comment is required and its label is "Reason". */
  reason?: string
  typed?: TypedProps | undefined
  /** The label of the submit button. */
  button: string
  back: { href: string; label?: string }
  show: () => Shown | Promise<Shown>
  /** Carries the act out. Returns the address of its result, or the result. */
  carryOut: (said: CaseAndComment) => Promise<string | Response>
}

/** The query of the page, or the form that was sent (`sent`). */
export interface Asked {
  source: URLSearchParams
  sent?: URLSearchParams
}

/**
 * Carries out an act whose form was sent, or shows the page that confirms it. A form that cannot be
 * carried out is shown again, with what was filled in.
 */
export async function confirmed(
  request: ConsoleRequest,
  { source, sent }: Asked,
  act: Act,
): Promise<Response> {
  const problem = sent && problemOf(request, sent, act)
  if (sent === undefined || problem !== undefined) return confirmPage(request, act, source, problem)
  const result = await act.carryOut(caseAndCommentIn(sent))
  return typeof result === 'string' ? request.c.redirect(result, 303) : result
}

async function confirmPage(
  request: ConsoleRequest,
  act: Act,
  source: URLSearchParams,
  problem: string | undefined,
): Promise<Response> {
  const { facts, notices, after, more } = await act.show()
  const mustSignIn = !isFresh(request.viewer.session, request.now)
  const members = new URLSearchParams(source)
  for (const [name, value = ''] of Object.entries(act.fields)) members.set(name, value)
  const advice = mustSignIn
    ? await withoutMicrosoft(request.deps, request.checks, { path: act.action, members })
    : undefined
  return consolePage(
    request,
    { title: act.title, at: act.at, status: problem === undefined ? 200 : 422, script: AGAIN },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} />}
      {notices}
      <Facts items={facts} />
      {after}
      {mustSignIn ? <SignInAgain request={request} advice={advice} /> : null}
      <form class="stack" method="post" action={pageLink(request, act.action)}>
        <Hidden request={request} fields={act.fields} />
        {more}
        <CaseAndCommentFields
          entered={problem === undefined ? {} : caseAndCommentIn(source)}
          reason={act.reason}
        />
        {act.typed === undefined ? null : <TypedWord {...act.typed} />}
        <div class="row">
          <Button kind="danger">{act.button}</Button>
          <LinkButton kind="quiet" href={act.back.href}>
            {act.back.label ?? 'Back'}
          </LinkButton>
        </div>
      </form>
    </Panel>,
  )
}

/**
 * Returns the route of an act, whose confirmation page and form have one address. An act that is
 * rejected is answered by a page that says why.
 */
export const actAt = (
  path: string,
  act: (request: ConsoleRequest, asked: Asked) => Promise<Response>,
  { at, ...more }: { at: NonNullable<At> } & Pick<Mounted, 'need' | 'tenant'>,
): Mounted => {
  const orRejected = (request: ConsoleRequest, asked: Asked): Promise<Response> =>
    act(request, asked).catch((error: unknown) => {
      if (!(error instanceof Problem)) throw error
      const { status, title, message } = error
      return status === 404
        ? nothingHere(request, message, at)
        : nothingHere(request, `${title}. ${message}`, at, 422)
    })
  return {
    path,
    need: 'administer',
    ...more,
    page: (request) => orRejected(request, { source: queried(request) }),
    form: (request, sent) => orRejected(request, { source: sent, sent }),
  }
}

/** Returns why the form cannot be carried out yet, or undefined if it can. */
function problemOf(
  { viewer, now }: ConsoleRequest,
  form: URLSearchParams,
  { typed, reason }: Pick<Act, 'typed' | 'reason'>,
): string | undefined {
  if (!isFresh(viewer.session, now)) return 'Nothing was done yet: sign in again first.'
  if (typed !== undefined && form.get(NAME)?.trim() !== typed.word)
    return `Nothing was done: what was typed is not ${typed.word}.`
  const { caseReference = '', comment = '' } = caseAndCommentIn(form)
  if (caseReference.length > LONGEST_CASE)
    return `Nothing was done: the case reference has at most ${LONGEST_CASE} characters.`
  if (comment.length > LONGEST_COMMENT)
    return `Nothing was done: the comment has at most ${LONGEST_COMMENT} characters.`
  return reason !== undefined && comment === '' ? 'Nothing was done: give a reason.' : undefined
}

/**
 * Asks for a recent sign-in, so that an attacker at an unattended console cannot act. The sign-in
 * opens in another tab, so that the form keeps what was filled in.
 */
const SignInAgain = ({
  request,
  advice,
}: {
  request: ConsoleRequest
  advice: Child | undefined
}) => (
  <Notice
    kind="warn"
    title={`This needs a sign-in that is no older than ${FRESH_SECONDS / 60} minutes`}
  >
    {advice === undefined ? null : <p>{advice}</p>}
    <p>
      <a
        href={linkOf(isOperator(request) ? '/ops/sign-in' : '/signin/start', {
          return_to: pageLink(request, '/fresh'),
          fresh: 'yes',
        })}
        target="_blank"
        rel="noopener"
      >
        Sign in again (in a new tab)
      </a>
      , then come back here and go on. What you filled in stays.
    </p>
  </Notice>
)

/** The page on which the sign-in in the other tab ends. */
export const freshPage = (request: ConsoleRequest): Response =>
  consolePage(
    request,
    { title: 'You have signed in again' },
    <Panel class="narrow">
      <p>Close this tab and continue in the other tab. You have {FRESH_SECONDS / 60} minutes.</p>
    </Panel>,
  )

const LONGEST_CASE = 200
const LONGEST_COMMENT = 2000

/**
 * The fields for case and comment.
 * @param entered the values of the rejected form
 */
const CaseAndCommentFields = ({
  entered,
  reason,
}: {
  entered: CaseAndComment
  reason: string | undefined
}) => (
  <>
    <TextField
      name="case_reference"
      label="Case reference"
      hint="Optional. It is kept in the audit log."
      value={entered.caseReference}
      maxlength={LONGEST_CASE}
      literal
    />
    <TextField
      name="comment"
      label={reason === undefined ? 'Comment' : 'Reason'}
      hint={reason ?? 'Optional. It is kept in the audit log: do not name the user.'}
      lines={3}
      value={entered.comment}
      maxlength={LONGEST_COMMENT}
      required={reason !== undefined}
    />
  </>
)

function caseAndCommentIn(form: URLSearchParams): CaseAndComment {
  const words = (name: string): string | undefined => (form.get(name) ?? '').trim() || undefined
  return { caseReference: words('case_reference'), comment: words('comment') }
}

/** Returns the word to type before many users are signed out, or undefined if it is one user. */
export async function typedFor(
  deps: ConsoleRequest['deps'],
  what: Selector | LockTarget | undefined,
): Promise<TypedProps | undefined> {
  if (what?.kind === 'client') return { word: what.clientId }
  if (what?.kind === 'tenant') return { word: await tenantName(deps, what.tid) }
  return what?.kind === 'everything' ? { word: 'everything' } : undefined
}

/** The name of the form field for the word that the reader types before signing many users out. */
const NAME = 'typed'
interface TypedProps {
  word: string
  /** Text that follows the word in the label. */
  meaning?: string
}
const TypedWord = ({ word, meaning = '' }: TypedProps) => (
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
