import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { Child } from 'hono/jsx'
import { Problem } from '../../clients/problem.ts'
import type { CaseAndComment } from '../../clients/with-audit.ts'
import { FRESH_SECONDS, isFresh } from '../../clients/session/lifetimes.ts'
import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import { readAsset } from '../../pages/assets.ts'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { LockTarget } from '../../protocol/lock-target.ts'
import type { Selector } from '../../protocol/revocation.ts'
import { sha256 } from '../../runtime/compare.ts'
import { tenantName } from '../acts/names.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { withoutMicrosoft } from './microsoft-down.tsx'
import { consolePage, Hidden, nothingHere, Panel } from './layout.tsx'
import { type ConsoleRequest, type Mounted, pageLink, queried, signInAgain } from './request.ts'

/**
 * The page that confirms an act. It shows what the act would change, and asks for the case and a
 * comment. Before an act that concerns many users, the reader also types a word. Without a recent
 * sign-in it has no form: the reader signs in first, so that an attacker at an unattended console
 * cannot act, and returns to the same page.
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
  asked: Asked,
  act: Act,
): Promise<Response> {
  const { sent } = asked
  const problem = sent && problemOf(request, sent, act)
  if (sent === undefined || problem !== undefined) return confirmPage(request, act, asked, problem)
  deleteCookie(request.c, DRAFT, ATTRIBUTES)
  const result = await act.carryOut(caseAndCommentIn(sent))
  return typeof result === 'string' ? request.c.redirect(result, 303) : result
}

async function confirmPage(
  request: ConsoleRequest,
  act: Act,
  asked: Asked,
  problem: string | undefined,
): Promise<Response> {
  const { facts, notices, after, more } = await act.show()
  return consolePage(
    request,
    { title: act.title, at: act.at, status: problem === undefined ? 200 : 422, script: AGAIN },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} />}
      {notices}
      <Facts items={facts} />
      {after}
      {isFresh(request.viewer.session, request.now) ? (
        <ActForm request={request} act={act} asked={asked}>
          {more}
        </ActForm>
      ) : (
        await signInFirst(request, act, asked)
      )}
    </Panel>,
  )
}

const Back = ({ back: { href, label = 'Back' } }: Pick<Act, 'back'>) => (
  <LinkButton kind="quiet" href={href}>
    {label}
  </LinkButton>
)

function ActForm({
  request,
  act,
  asked,
  children,
}: {
  request: ConsoleRequest
  act: Act
  asked: Asked
  children: Child
}) {
  const entered = asked.sent ?? draftOf(request, act, asked)
  return (
    <form class="stack" method="post" action={pageLink(request, act.action)}>
      <p class="soft">Nothing was done yet. Check, then press “{act.button}”.</p>
      <Hidden request={request} fields={act.fields} />
      {children}
      <CaseAndCommentFields entered={caseAndCommentIn(entered)} reason={act.reason} />
      {act.typed === undefined ? null : (
        <TypedWord {...act.typed} value={entered.get(NAME) ?? undefined} />
      )}
      <div class="row">
        <Button kind="danger">{act.button}</Button>
        <Back back={act.back} />
      </div>
    </form>
  )
}

/** Leads to a recent sign-in, which returns to this page with what a form held. */
async function signInFirst(request: ConsoleRequest, act: Act, asked: Asked): Promise<Child> {
  const lost = asked.sent && keepDraft(request, act, asked.sent)
  const members = queryOf(asked)
  for (const [name, value = ''] of Object.entries(act.fields)) members.set(name, value)
  const advice = await withoutMicrosoft(request.deps, request.checks, { path: act.action, members })
  const [first = '', ...rest] = act.button
  return (
    <>
      <Notice
        kind="warn"
        title={`This needs a sign-in that is no older than ${FRESH_SECONDS / 60} minutes`}
      >
        <p>Nothing was done yet. After the sign-in you come back to this page, and decide there.</p>
        {lost === undefined ? null : (
          <p>Your comment is too long to be kept. Copy it, and enter it again: {lost}</p>
        )}
        {advice === undefined ? null : <p>{advice}</p>}
      </Notice>
      <div class="row">
        <LinkButton
          kind="danger"
          href={signInAgain(request, pageLink(request, act.action), queryOf(asked))}
        >
          Sign in again, then {first.toLowerCase() + rest.join('')}
        </LinkButton>
        <Back back={act.back} />
      </div>
    </>
  )
}

const DRAFT = '__Host-cmb_draft'
const ATTRIBUTES = { path: '/', secure: true, httpOnly: true, sameSite: 'Lax' } as const
const DRAFT_SECONDS = 600
/** A browser keeps no cookie above 4096 bytes, its name and attributes included. */
const LONGEST_DRAFT = 3900
const draftPlace = ({ viewer }: ConsoleRequest): string => `console/draft ${viewer.caller.actor.id}`

/** Returns the query of the page, which names the object of the act and never the reader's words. */
const queryOf = ({ source }: Asked): URLSearchParams =>
  new URLSearchParams(
    [...source].filter(([name, value]) => value !== '' && ![CSRF_FIELD, ...WORDS].includes(name)),
  )
const pageHash = (act: Act, asked: Asked): string =>
  sha256(`${act.action}?${queryOf(asked).toString()}`)

/**
 * Keeps what the reader has entered, sealed in the browser, until the sign-in.
 * @returns the comment, if it is too long to be kept
 */
function keepDraft(request: ConsoleRequest, act: Act, sent: URLSearchParams): string | undefined {
  const { deps, c, now } = request
  const words = WORDS.map((name): [string, string] => [name, sent.get(name) ?? ''])
  const page = pageHash(act, { source: sent })
  const sealed = (entered: [string, string][]): string =>
    sealUntil(deps.sealer, draftPlace(request), { page, entered }, now + DRAFT_SECONDS)
  const whole = sealed(words)
  const isKept = whole.length <= LONGEST_DRAFT
  const kept = isKept ? whole : sealed(words.filter(([name]) => name !== 'comment'))
  setCookie(c, DRAFT, kept, { ...ATTRIBUTES, maxAge: DRAFT_SECONDS })
  return isKept ? undefined : (sent.get('comment') ?? undefined)
}

/** Returns what the reader had entered on this page before the sign-in. */
function draftOf(request: ConsoleRequest, act: Act, asked: Asked): URLSearchParams {
  const { deps, c, now } = request
  const draft = openUntil(deps.sealer, draftPlace(request), getCookie(c, DRAFT), now) as
    | { page: string; entered: [string, string][] }
    | undefined
  return new URLSearchParams(draft?.page === pageHash(act, asked) ? draft.entered : [])
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

/** The page on which a sign-in for a form of /setup ends, which is open in another tab. */
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
/** The fields of the form that hold what the reader enters. They are never in an address. */
const WORDS = ['case_reference', 'comment', NAME]
interface TypedProps {
  word: string
  /** Text that follows the word in the label. */
  meaning?: string
}
const TypedWord = ({ word, meaning = '', value }: TypedProps & { value: string | undefined }) => (
  <TextField
    name={NAME}
    value={value}
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
