import { parseJson } from '../../protocol/params.ts'
import { KeySet } from '@case-manager/guard'
import type { SignalIssuer } from '../../config/config.ts'
import type { StreamSettings } from '../../config/signal-stream.ts'
import type { Deps } from '../deps.ts'

/**
 * The issuers other than Microsoft that may send signals, each with its keys. They are those of
 * BROKER_SIGNAL_ISSUERS_FILE.
 */

export interface KnownIssuer extends SignalIssuer {
  keys: KeySet
}

/** An issuer at which the broker manages its stream. */
export type ManagedIssuer = KnownIssuer & { maxSilenceSeconds: number; stream: StreamSettings }

export interface Issuers {
  secevent: ReadonlyMap<string, KnownIssuer>
  oidc: ReadonlyMap<string, KnownIssuer>
}

const TIMEOUT_MS = 5_000
const MOST_BYTES = 512 * 1024

export function openIssuers(deps: Pick<Deps, 'config' | 'clock' | 'outbound' | 'log'>): Issuers {
  const known = deps.config.signals.issuers.map((issuer): KnownIssuer => ({
    ...issuer,
    keys: keysOf(deps, issuer),
  }))
  const of = (kind: SignalIssuer['kind']) =>
    new Map(
      known
        .filter((knownIssuer) => knownIssuer.kind === kind)
        .map((knownIssuer) => [knownIssuer.issuer, knownIssuer]),
    )
  return { secevent: of('secevent'), oidc: of('oidc') }
}

export const isManaged = (issuer: KnownIssuer): issuer is ManagedIssuer =>
  issuer.stream !== undefined && issuer.maxSilenceSeconds !== undefined

function keysOf(
  { clock, outbound, log }: Pick<Deps, 'clock' | 'outbound' | 'log'>,
  { issuer, jwksUri }: SignalIssuer,
): KeySet {
  const nowMs = (): number => clock.nowMs()
  return new KeySet({
    uri: jwksUri,
    clock: { nowMs, monotonicMs: nowMs, elapsedMs: nowMs, after: () => () => undefined },
    // An administrator registered this address, so outbound rules for registered addresses apply.
    fetch: async (url) => {
      const answer = await outbound.request(url instanceof Request ? url.url : url.toString(), {
        method: 'GET',
        headers: { accept: 'application/json' },
        timeoutMs: TIMEOUT_MS,
        maxBytes: MOST_BYTES,
      })
      return new Response(answer.body, { status: answer.status })
    },
    onProblem: (cause) => log.warn('signal_keys_unavailable', { issuer, problem: cause.message }),
  })
}

/** Returns the `iss` of a token before its verification, only to select the keys. */
export function issuerOf(token: string): string | undefined {
  const claims = parseJson(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
  const { iss } = (claims ?? {}) as { iss?: unknown }
  return typeof iss === 'string' ? iss : undefined
}
