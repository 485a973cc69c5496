import type { Child } from 'hono/jsx'
import { isFresh } from '../../session/lifetimes.ts'
import { readAsset } from '../../pages/assets.ts'
import type { LockTarget } from '../../protocol/lock-target.ts'
import { concernsMany, type Selector } from '../../protocol/revocation.ts'
import { tenantName } from '../acts/names.ts'
import { Button, Facts, LinkButton, Notice } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { withoutMicrosoft } from './microsoft-down.tsx'
import { consolePage, Hidden, Panel } from './layout.tsx'
import { type ConsoleRequest, type Mounted, pageLink, queried, signInAgain } from './request.ts'
import { CONFIRM, FIELDS, PROBLEMS } from './texts/confirm.ts'
import type { NavPath } from './texts/layout.ts'

/**
 * The page that confirms an act. It shows what the act would change, and asks for the case and a
 * comment. Before an act that concerns many users, the reader also types a word. Without a recent
 * sign-in it has no form: the reader signs in first, so that an attacker at an unattended console
 * cannot act, and returns to the same page. A form that is sent too late is shown again with its
 * values.
 */

const AGAIN = readAsset(import.meta.url, './again.js')

/** The parts of the page that describe an act. */
interface ActionParts {
  facts: Parameters<typeof Facts>[0]['items']
  /** Content above the facts (`notices`) and below them (`after`). */
  notices?: Child
  after?: Child
  /** Input fields besides case and comment. */
  more?: Child
}

interface ConfirmedAction {
  title: string
  at: NavPath
  /** The path of the form (`action`), and the hidden fields that identify the object of the act. */
  action: string
  fields: Record<string, string | undefined>
  /** The hint of the comment field. If set, the comment is required and its label is "Reason". */
  reason?: string
  typed?: TypedProps | undefined
  /** The label of the submit button. */
  button: string
  back: { href: string; label?: string }
  show: () => ActionParts | Promise<ActionParts>
  /** Carries the act out. Returns the address of its result, or the result. */
  carryOut: (caseAndComment: CaseAndComment) => Promise<string | Response>
}

/** The case and the comment, by the names of the contract. */
type CaseAndComment = Partial<Record<'case_reference' | 'comment', string | undefined>>

/** The query of the page, or the form that was sent (`sent`). */
export interface Submission {
  source: URLSearchParams
  sent?: URLSearchParams
}

/**
 * Carries out an act whose form was sent, or shows the page that confirms it. A form that cannot be
 * carried out is shown again, with what was filled in.
 */
export async function confirmed(
  request: ConsoleRequest,
  submission: Submission,
  act: ConfirmedAction,
): Promise<Response> {
  const { sent } = submission
  const problem = sent && problemOf(request, sent, act)
  if (sent === undefined || problem !== undefined)
    return confirmPage(request, act, submission, problem)
  const result = await act.carryOut(caseAndCommentIn(sent))
  return typeof result === 'string' ? request.c.redirect(result, 303) : result
}

async function confirmPage(
  request: ConsoleRequest,
  act: ConfirmedAction,
  submission: Submission,
  problem: string | undefined,
): Promise<Response> {
  const { facts, notices, after, more } = await act.show()
  const isSent = submission.sent !== undefined
  return consolePage(
    request,
    {
      title: act.title,
      at: act.at,
      script: AGAIN,
      ...(problem ? { status: 422 } : { focused: true }),
    },
    <Panel class="narrow">
      {problem === undefined ? null : <Notice kind="bad" title={problem} focused />}
      {notices}
      <Facts items={facts} />
      {after}
      {isFresh(request.viewer.session, request.now)
        ? null
        : await signInFirst(request, act, submission)}
      {isSent || isFresh(request.viewer.session, request.now) ? (
        <ActForm request={request} act={act} submission={submission}>
          {more}
        </ActForm>
      ) : null}
    </Panel>,
  )
}

const Back = ({ back: { href, label = 'Back' } }: Pick<ConfirmedAction, 'back'>) => (
  <LinkButton kind="quiet" href={href}>
    {label}
  </LinkButton>
)

function ActForm({
  request,
  act,
  submission: { sent = new URLSearchParams() },
  children,
}: {
  request: ConsoleRequest
  act: ConfirmedAction
  submission: Submission
  children: Child
}) {
  return (
    <form class="stack" method="post" action={pageLink(request, act.action)}>
      <p class="soft">{CONFIRM.check(act.button)}</p>
      <Hidden request={request} fields={act.fields} />
      {children}
      <CaseAndCommentFields
        entered={caseAndCommentIn(sent)}
        reason={act.reason}
        ofUsers={!WITHOUT_USERS.includes(act.at)}
      />
      {act.typed === undefined ? null : (
        <TypedWord {...act.typed} value={sent.get(NAME) ?? undefined} />
      )}
      <div class="row">
        <Button kind="danger">{act.button}</Button>
        <Back back={act.back} />
      </div>
    </form>
  )
}

/**
 * Leads to a recent sign-in, which returns to this page. Beside a form that was sent too late it
 * opens another tab, so that the form keeps what was entered.
 */
async function signInFirst(
  request: ConsoleRequest,
  { action, fields, button, back }: ConfirmedAction,
  { source, sent }: Submission,
): Promise<Child> {
  const members = new URLSearchParams(source)
  for (const [name, value = ''] of Object.entries(fields)) members.set(name, value)
  const advice = await withoutMicrosoft(request.deps, request.checks, { path: action, members })
  if (sent !== undefined)
    return (
      <Notice kind="warn">
        <p>
          <a
            href={signInAgain(request, pageLink(request, '/fresh'))}
            target="_blank"
            rel="noopener"
          >
            {CONFIRM.otherTab}
          </a>
          {CONFIRM.thenPress(button)}
        </p>
        {advice && <p>{advice}</p>}
      </Notice>
    )
  return (
    <>
      <Notice kind="warn" title={CONFIRM.needsFresh}>
        <p>{advice ?? CONFIRM.comesBack}</p>
      </Notice>
      <div class="row">
        <LinkButton kind={advice ? 'quiet' : 'danger'} href={signInAgain(request)}>
          {advice ? CONFIRM.allTheSame : CONFIRM.signInThen(button)}
        </LinkButton>
        <Back back={back} />
      </div>
    </>
  )
}

/** Returns the route of an act, whose confirmation page and form have one address. */
export const actAt = (
  path: string,
  act: (request: ConsoleRequest, submission: Submission) => Promise<Response>,
  more: { at: NavPath } & Pick<Mounted, 'need' | 'tenant'>,
): Mounted => ({
  path,
  need: 'administer',
  ...more,
  page: (request) => act(request, { source: queried(request) }),
  form: (request, sent) => act(request, { source: sent, sent }),
})

/** Returns why the form cannot be carried out yet, or undefined if it can. */
function problemOf(
  { viewer, now }: ConsoleRequest,
  form: URLSearchParams,
  { typed, reason }: Pick<ConfirmedAction, 'typed' | 'reason'>,
): string | undefined {
  if (!isFresh(viewer.session, now)) return PROBLEMS.notFresh
  if (typed !== undefined && form.get(NAME)?.trim() !== typed.word)
    return PROBLEMS.notTyped(typed.word)
  const { case_reference: caseReference = '', comment = '' } = caseAndCommentIn(form)
  if (caseReference.length > LONGEST_CASE) return PROBLEMS.longCase(LONGEST_CASE)
  if (comment.length > LONGEST_COMMENT) return PROBLEMS.longComment(LONGEST_COMMENT)
  return reason !== undefined && comment === '' ? PROBLEMS.noReason : undefined
}

/** The page on which a sign-in for a form ends, which is open in another tab. */
export const freshPage = (request: ConsoleRequest): Response =>
  consolePage(
    request,
    { title: CONFIRM.signedIn },
    <Panel class="narrow">
      <p>{CONFIRM.otherTabGoesOn}</p>
    </Panel>,
  )

const LONGEST_CASE = 200
const LONGEST_COMMENT = 2000
/** The pages whose acts concern no user. */
const WITHOUT_USERS: readonly NavPath[] = ['/keys', '/clients']

/** The fields for case and comment. @param entered the values of the rejected form */
const CaseAndCommentFields = ({
  entered,
  reason,
  ofUsers,
}: {
  entered: CaseAndComment
  reason: string | undefined
  ofUsers: boolean
}) => (
  <>
    <TextField
      {...FIELDS.caseReference}
      name="case_reference"
      value={entered.case_reference}
      maxlength={LONGEST_CASE}
      literal
    />
    <TextField
      {...(reason === undefined
        ? FIELDS[ofUsers ? 'commentOnUsers' : 'comment']
        : { ...FIELDS.reason, hint: reason })}
      name="comment"
      lines={3}
      value={entered.comment}
      maxlength={LONGEST_COMMENT}
      required={reason !== undefined}
    />
  </>
)

function caseAndCommentIn(form: URLSearchParams): CaseAndComment {
  const words = (name: string): string | undefined => (form.get(name) ?? '').trim() || undefined
  return { case_reference: words('case_reference'), comment: words('comment') }
}

/** Returns the word to type before many users are signed out, or undefined if it is one user. */
export async function typedFor(
  deps: ConsoleRequest['deps'],
  what: Selector | LockTarget | undefined,
): Promise<TypedProps | undefined> {
  if (what === undefined || !concernsMany(what)) return undefined
  if (what.kind === 'client') return { word: what.clientId }
  return { word: what.kind === 'tenant' ? await tenantName(deps, what.tid) : 'everyone' }
}

/** The name of the form field for the word that the reader types before signing many users out. */
const NAME = 'typed'
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
