import { concernsMany } from '../../protocol/revocation.ts'
import type { WireSelector } from '../../protocol/selector.ts'
import { claimWords, effectiveWords, type Receipt, receiptWords } from '../acts/receipt-words.ts'
import { misused } from './broker.ts'
import {
  BEFORE,
  type Called,
  CASE_AND_COMMENT,
  FILTER,
  fullPage,
  group,
  option,
  paged,
  period,
  verb,
} from './context.ts'
import { subOf, USER_NAME } from './locks.ts'
import { readPast } from './moment.ts'
import { agreed, type Agreeing } from './preview.ts'
import { inWords, timeMs } from './show.ts'
import { OPTION } from './texts/options.ts'
import { SAYS } from './texts/answers.ts'

interface RevokeOptions extends Agreeing {
  user?: string
  session?: string
  grant?: string
  subject?: string
  client?: string
  tenant?: string
  everything?: boolean
}

/** The command `cmb revoke`. */
export const revokeCommand = verb({
  name: 'revoke',
  at: 'POST /revocations',
  takes: CASE_AND_COMMENT,
  flags: [
    option('--session <sid>', 'end this session'),
    option('--grant <sid>', OPTION.grant),
    USER_NAME,
    option('--subject <sub>', 'sign this user out everywhere'),
    option('--client <id>', 'sign everyone out of this instance'),
    option('--tenant <tid>', 'sign everyone of this tenant out'),
    option('--everything', 'sign everyone out'),
    option('--dry-run', OPTION.revoke_dry_run),
    option('--yes', OPTION.revoke_yes),
  ],
  members: async (called: Called<RevokeOptions>) => ({ selector: await selectorOf(called) }),
  ask: (send, called, { selector }) =>
    agreed(concernsMany(selector) ? 'always' : 'never')(send, called),
  words: (answer, { options: { tenant } }) => {
    if (answer.outcome === 'already') return SAYS.ended_before
    const { seq, sessions, tenants_without_auth_time: tenants } = answer
    const none = tenant && sessions === 0 ? SAYS.no_users(tenant) : ''
    return `${SAYS.revoked(seq)}${none}${tenants.map(SAYS.no_auth_time).join('')}`
  },
})

/**
 * Returns the selector of exactly one option. `--client` beside `--grant` names the grant's client.
 */
async function selectorOf(called: Called<RevokeOptions>): Promise<WireSelector> {
  const { user, session, grant, subject, client, tenant, everything } = called.options
  const selectors: (WireSelector | undefined | false | '')[] = [
    user && { kind: 'subject', sub: await subOf(called, user) },
    session && { kind: 'session', sid: session },
    grant && client && { kind: 'grant', sid: grant, client_id: client },
    subject && { kind: 'subject', sub: subject },
    !grant && client && { kind: 'client', client_id: client },
    tenant && { kind: 'tenant', tid: tenant },
    everything && { kind: 'everything' },
  ]
  const [selector, ...others] = selectors.flatMap((given) => given || [])
  if (selector !== undefined && others.length === 0) return selector
  throw misused(SAYS.what_to_revoke)
}

const [since, until] = period(readPast)

const claimsOf = (receipt: Receipt) =>
  receipt.participants.map((participant) => {
    const [tokens, sessions, guards] = claimWords(receipt, participant, timeMs)
    return { client_id: participant.client_id, state: participant.state, tokens, sessions, guards }
  })

/** The commands `cmb revocations`: the log of all revocations, with their deliveries. */
export const revocationCommands = group(
  'revocations',
  verb({
    name: 'list',
    at: 'GET /revocations',
    takes: {
      since,
      until,
      ...FILTER,
      reason: option('--reason <reason>', 'only for this reason: administrator, locked …'),
      ...paged('50'),
    },
    ask: fullPage('revocations'),
    words: ({ revocations, ...rest }) =>
      inWords(
        {
          ...rest,
          revocations: revocations.map(({ effective, ...revocation }) => ({
            ...revocation,
            effective: effectiveWords(effective, timeMs),
          })),
        },
        {
          revocations: [
            'seq',
            'at',
            'selector',
            'reason',
            'actor',
            'sessions',
            'totals',
            'fan_out',
            'case_reference',
            'effective',
          ],
        },
      ),
  }),
  verb({
    name: 'show <seq>',
    at: 'GET /revocations/:seq',
    takes: { before: BEFORE },
    words: ({ receipt, deliveries, ...rest }) =>
      inWords(
        {
          ...rest,
          receipt: receipt === null ? 'no longer kept' : receiptWords(receipt, timeMs),
          participants: receipt === null ? [] : claimsOf(receipt),
          deliveries: deliveries.flatMap(({ attempts, ...delivery }) =>
            (attempts?.length ? attempts : [undefined]).map((attempt) => ({
              ...delivery,
              ...attempt,
            })),
          ),
        },
        {
          participants: ['client_id', 'state', 'tokens', 'sessions', 'guards'],
          deliveries: [
            'client_id',
            'state',
            'attempt',
            'at_ms',
            'status',
            'error',
            'latency_ms',
            'uri',
          ],
        },
      ),
  }),
)
