import { z } from 'zod'
import type { Deps } from '../deps.ts'
import type { Selector } from '../../protocol/revocation.ts'
import { decodeSelector } from '../../protocol/selector.ts'

/** What the revoke form says, read: every problem at once, in words for the operator. */

const KINDS = ['session', 'grant', 'subject', 'client', 'tenant', 'everything'] as const
type Kind = (typeof KINDS)[number]

/** The form as it was sent, valid or not: what the page shows again. */
export interface Draft {
  kind: Kind
  value: string
  client: string
  caseReference: string
  comment: string
}

export interface Wanted {
  selector: Selector
  caseReference: string | undefined
  comment: string | undefined
}

const CASE_LETTERS = 200
const COMMENT_LETTERS = 2000
const tenant = z.guid()

export function readDraft(source: URLSearchParams): Draft {
  const text = (name: string): string => (source.get(name) ?? '').trim()
  return {
    kind: KINDS.find((one) => one === source.get('kind')) ?? 'session',
    value: text('value'),
    client: text('client'),
    caseReference: text('case_reference'),
    comment: text('comment'),
  }
}

/** What is wrong with the case reference and the comment. */
export const wordsIn = ({ caseReference, comment }: Draft): string[] => [
  ...(caseReference.length > CASE_LETTERS
    ? [`The case reference has at most ${CASE_LETTERS} characters.`]
    : []),
  ...(comment.length > COMMENT_LETTERS
    ? [`The comment has at most ${COMMENT_LETTERS} characters.`]
    : []),
]

/** For the audit log. */
export const caseAndCommentOf = ({
  caseReference,
  comment,
}: Draft): Pick<Wanted, 'caseReference' | 'comment'> => ({
  caseReference: caseReference || undefined,
  comment: comment || undefined,
})

export function wantedOf(
  deps: Pick<Deps, 'clients'>,
  draft: Draft,
): { wanted: Wanted } | { problems: string[] } {
  const problems: string[] = []
  const selector = selectorOf(deps, draft, problems)
  problems.push(...wordsIn(draft))
  if (selector === undefined || problems.length > 0) return { problems }
  return { wanted: { selector, ...caseAndCommentOf(draft) } }
}

function selectorOf(
  deps: Pick<Deps, 'clients'>,
  { kind, value, client }: Draft,
  problems: string[],
): Selector | undefined {
  const missing = (what: string): undefined => void problems.push(what)
  const needsId = kind === 'session' || kind === 'grant' || kind === 'subject' || kind === 'tenant'
  if (needsId && (value === '' || value.length > 200)) missing('Say which one: its id is missing.')
  const clientId = deps.clients.find(client)?.clientId
  if ((kind === 'client' || kind === 'grant') && clientId === undefined)
    missing('Choose the instance.')
  if (kind === 'tenant' && value !== '' && !tenant.safeParse(value).success)
    missing('A tenant’s id is a GUID, for example 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11.')
  if (problems.length > 0) return undefined
  return decodeSelector({ kind, sid: value, sub: value, tid: value, client_id: clientId })
}

/** What has to be typed before many are signed out; nothing for one user. */
export function typedFor(selector: Selector): string | undefined {
  if (selector.kind === 'client') return selector.clientId
  if (selector.kind === 'tenant') return selector.tid
  return selector.kind === 'everything' ? 'everything' : undefined
}
