import { z } from 'zod'
import type { Selector } from './revocation.ts'
import { storedText } from './stored-text.ts'

/**
 * Selectors on the wire and in the log's columns, where `clientId` is `client_id`. The guard has
 * its own parser, because it imports nothing from the broker.
 */

const id = storedText().max(200).min(1)

/** A selector in JSON. Unknown kinds, unknown members and missing members are rejected. */
export const selectorSchema = z
  .discriminatedUnion('kind', [
    z
      .strictObject({ kind: z.literal('session'), sid: id })
      .meta({ id: 'SessionSelector', description: 'Ends this session.' }),
    z
      .strictObject({ kind: z.literal('grant'), sid: id, client_id: id })
      .meta({ id: 'GrantSelector', description: 'Signs out of one client only, in this session.' }),
    z
      .strictObject({ kind: z.literal('subject'), sub: id })
      .meta({ id: 'SubjectSelector', description: 'Signs this user out everywhere.' }),
    z.strictObject({ kind: z.literal('client'), client_id: id }).meta({
      id: 'ClientSelector',
      description: 'Signs everyone out of this instance. Their sessions go on.',
    }),
    z
      .strictObject({ kind: z.literal('tenant'), tid: z.guid('has to be a tenant id (a GUID)') })
      .meta({ id: 'TenantSelector', description: 'Signs everyone of this tenant out.' }),
    z
      .strictObject({ kind: z.literal('everything') })
      .meta({ id: 'EverythingSelector', description: 'Signs everyone out.' }),
  ])
  .meta({ id: 'Selector', description: 'What a revocation covers.' })
export type WireSelector = z.infer<typeof selectorSchema>

type Member = string | null | undefined
/** The members of all kinds together, as a row of the log or a form has them. */
export interface SelectorMembers {
  kind: string
  sid?: Member
  sub?: Member
  client_id?: Member
  tid?: Member
}

export function encodeSelector(selector: Selector): WireSelector {
  if (!('clientId' in selector)) return { ...selector }
  const { clientId, ...rest } = selector
  return { ...rest, client_id: clientId }
}

/**
 * Returns the selector. Members of other kinds are ignored.
 * @returns undefined for an unknown kind, or if a member of the kind is missing
 */
export function decodeSelector(wire: WireSelector): Selector
export function decodeSelector(members: SelectorMembers): Selector | undefined
export function decodeSelector({
  kind,
  sid,
  sub,
  client_id: clientId,
  tid,
}: SelectorMembers): Selector | undefined {
  if (kind === 'session' && sid) return { kind, sid }
  if (kind === 'grant' && sid && clientId) return { kind, sid, clientId }
  if (kind === 'subject' && sub) return { kind, sub }
  if (kind === 'client' && clientId) return { kind, clientId }
  if (kind === 'tenant' && tid) return { kind, tid: tid.toLowerCase() }
  return kind === 'everything' ? { kind } : undefined
}
