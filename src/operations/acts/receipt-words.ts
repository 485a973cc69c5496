import type { z } from 'zod'
import type { effective, receipt } from '../contract/shapes.ts'
import { span } from '../times.ts'

/**
 * Says in words what a receipt claims of tokens and of the sessions that an instance keeps itself,
 * for the console and `cmb`.
 */

export type Receipt = z.output<typeof receipt>
type Participant = Receipt['participants'][number]
type Claim = Participant['tokens']
type When = (atMs: number) => string
type Effective = z.output<typeof effective>

/** Returns the time of a claim. Every claim has one, except where there is no bound. */
const timeOf = ({ no_later_than_ms: at }: Claim): number => Number(at)

/**
 * Returns whether the time of a claim is a bound: no one saw the end at that time. A guard that
 * reported after its lease counts from the end of the lease.
 * @param afterMs the time, from the acknowledgment on
 */
export const isBound = (
  by: Claim['by'] | undefined,
  afterMs: number,
  leaseSeconds: number,
): boolean =>
  by === 'lease' || by === 'expiry' || (by === 'report' && afterMs === leaseSeconds * 1000)

/** Returns how long after its acknowledgment a revocation was enforced. */
function after(from: number, claim: Claim, leaseSeconds: number): string {
  const ms = timeOf(claim) - from
  return `after ${span(Math.max(0, ms))}${isBound(claim.by, ms, leaseSeconds) ? ' at most' : ''}`
}

function tokenWords(from: number, { tokens, lease_seconds: lease }: Participant, when: When) {
  const { state, by } = tokens
  const time = when(timeOf(tokens))
  if (state === 'bounded')
    return by === 'expiry' ? `accepted until they expire, ${time}` : `accepts none from ${time} on`
  if (by === 'expiry') return `all have expired, ${time}`
  return by === 'lease'
    ? `accepts none since ${time}, when its leases ended`
    : `accepts none ${after(from, tokens, lease)}`
}

function sessionWords(from: number, { sessions, lease_seconds: lease }: Participant, when: When) {
  const { state, by } = sessions
  if (state === 'not_bounded') return 'may still be open'
  const time = when(timeOf(sessions))
  if (state === 'bounded') return `open until ${time} at most`
  if (by === 'none') return 'none to end'
  if (by === 'lease') return `ended by ${time}, when its leases ended`
  return `ended ${after(from, sessions, lease)}, by ${by === 'report' ? 'guard' : 'logout token'}`
}

/** Returns the cells of a participant: its tokens, its own sessions, and its guards. */
export function claimWords(
  { acknowledged_at_ms: from }: Receipt,
  participant: Participant,
  when: When,
): [tokens: string, sessions: string, guards: string] {
  const { listening, confirmed } = participant.guards
  return [
    tokenWords(from, participant, when),
    sessionWords(from, participant, when),
    listening === 0 ? 'none' : `${confirmed} of ${listening}`,
  ]
}

/**
 * Returns for example "2 of 5 instances confirmed: tokens and own sessions have ended, 1 accepts no
 * token, but its own sessions may still be open, 2 may accept tokens until …". It names the last
 * time only where the time of each is known.
 */
export function receiptWords(
  { participants, acknowledged_at_ms: from }: Receipt,
  when: When,
): string {
  const all = participants.length
  if (all === 0) return 'No instance took part'
  const ended = participants.filter(({ state }) => state === 'confirmed').length
  const rejecting = participants.filter(
    ({ state, tokens }) => state !== 'confirmed' && tokens.state === 'confirmed',
  )
  const accepting = participants.filter(({ tokens }) => tokens.state !== 'confirmed')
  const lastOf = (times: (number | null)[]): number | undefined =>
    times.includes(null) ? undefined : Math.max(from, ...times.map(Number))
  const last = ended < all ? undefined : lastOf(participants.map((part) => part.no_later_than_ms))
  const tokensEnd = lastOf(accepting.map(({ tokens }) => tokens.no_later_than_ms))
  const isLastBound = participants.some(({ tokens, sessions, lease_seconds: lease }) =>
    [tokens, sessions].some(
      (claim) => timeOf(claim) === last && isBound(claim.by, last - from, lease),
    ),
  )
  return [
    `${ended} of ${all} ${all === 1 ? 'instance' : 'instances'} confirmed: tokens and own sessions have ended`,
    rejecting.length > 0
      ? `${rejecting.length} ${rejecting.length === 1 ? 'accepts no token, but its own sessions' : 'accept no token, but their own sessions'} may still be open`
      : '',
    accepting.length > 0
      ? `${accepting.length} may accept tokens${tokensEnd === undefined ? '' : ` until ${when(tokensEnd)}`}`
      : '',
    last === undefined ? '' : `the last ${isLastBound ? 'within' : 'after'} ${span(last - from)}`,
  ]
    .filter(Boolean)
    .join(', ')
}

/** The most open instances that are named. */
const NAMED = 3

/**
 * Returns for example "stopped everywhere after 312 ms", or what is open and by when: "1 of 5 open:
 * Perth until 09:06:00 UTC at most".
 */
export function effectiveWords(
  found: Effective | null,
  when: When,
  nameOf = (clientId: string): string => clientId,
): string {
  if (found === null) return 'no longer known'
  const { participants, open_participants: all, open, after_ms: ms, at_most: atMost } = found
  if (participants === 0) return 'no instance took part'
  if (all === 0)
    return `stopped everywhere${ms === null ? '' : ` after ${span(ms)}${atMost ? ' at most' : ''}`}`
  const named = open
    .slice(0, NAMED)
    .map((part) => `${nameOf(part.client_id)} ${openWords(part, when)}`)
  const others = all - named.length
  return `${all} of ${participants} open: ${[...named, ...(others > 0 ? [`${others} more`] : [])].join('; ')}`
}

/**
 * Returns for example "3 revocations, each stopped everywhere; slowest 312 ms", or "3 revocations: 1
 * open (4711), 2 stopped everywhere; slowest 312 ms".
 */
export function allEffectiveWords(
  revocations: readonly { seq: number; effective: Effective | null }[],
): string {
  const all = revocations.length
  const named = (words: string, of: typeof revocations): string[] =>
    of.length === 0 ? [] : [`${of.length} ${words} (${of.map(({ seq }) => seq).join(', ')})`]
  const unknown = revocations.filter(({ effective }) => effective === null)
  const open = revocations.filter(({ effective }) => (effective?.open_participants ?? 0) > 0)
  const ended = revocations.filter((each) => !unknown.includes(each) && !open.includes(each))
  const last = ended
    .flatMap(({ effective }) => effective ?? [])
    .toSorted((a, b) => (b.after_ms ?? Infinity) - (a.after_ms ?? Infinity))[0]
  const ms = last?.after_ms ?? null
  const slowest =
    ms === null
      ? ''
      : `${all === 1 ? ' after' : '; slowest'} ${span(ms)}${last?.at_most ? ' at most' : ''}`
  const start = `${all} ${all === 1 ? 'revocation' : 'revocations'}`
  if (ended.length === all)
    return `${start}, ${all === 1 ? '' : 'each '}stopped everywhere${slowest}`
  const others = [...named('open', open), ...named('no longer known', unknown)]
  const rest = ended.length === 0 ? [] : [`${ended.length} stopped everywhere${slowest}`]
  return `${start}: ${[...others, ...rest].join(', ')}`
}

function openWords(
  { state, no_later_than_ms: at, tokens }: Effective['open'][number],
  when: When,
): string {
  if (state === 'bounded' && at !== null) return `until ${when(at)} at most`
  const until = tokens.no_later_than_ms
  return tokens.state === 'confirmed' || until === null
    ? 'accepts no token, but its own sessions may still be open'
    : `accepts tokens until ${when(until)} at most, and its own sessions may still be open`
}
