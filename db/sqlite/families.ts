import type { RejectedWhy, Store } from '../store.ts'
import type { CodeGrant, TokenFamily } from '../types.ts'
import { optional } from './core.ts'
import type { Core } from './core.ts'
import type { RevocationLog } from './log.ts'
import { isRevoked, rejectedBy, SESSION_COLUMNS } from './session-rows.ts'
import type { SessionRow, Sessions } from './session-rows.ts'

/** Token families: rotation, replay and theft (RFC 9700 §4.14.2). It refuses every generation but the current one and, until that is used, the one before. */

/** Requests of one client that were under way together: whose token has not been good for longer than this is a thief, or was stolen from. */
const PIPELINE_SECONDS = 30
/** Rotations within those seconds that are remembered; no client has more of them under way. */
const REMEMBERED = 128

interface FamilyRow {
  family_id: string
  family_client: string
  generation: number
  scope: string
  audience: string
  nonce: string | null
  family_opened_seq: number
  rotated_at: number
  replaced_at: string
  /** The latest revocation of this grant or of its client. */
  grant_cutoff: number
}

type FamilyOfSession = FamilyRow & SessionRow

type Rotation = Awaited<ReturnType<Store['rotateRefreshToken']>>

const familyOf = (row: FamilyOfSession, generation = row.generation): TokenFamily => ({
  familyId: row.family_id,
  sid: row.sid,
  clientId: row.family_client,
  generation,
  scope: row.scope,
  audience: row.audience,
  nonce: optional(row.nonce),
})

export interface Families {
  open(input: { familyId: string; sid: string; grant: CodeGrant; openedSeq: number; now: number }): TokenFamily
  rotate(input: Parameters<Store['rotateRefreshToken']>[0]): Rotation
  find(familyId: string, generation: number): { family: TokenFamily; current: boolean } | undefined
}

export function tokenFamilies({ db }: Core, log: RevocationLog, sessions: Sessions): Families {
  const insert = db.prepare(`INSERT INTO families (family_id, sid, client_id, generation, scope, audience, nonce, opened_seq, rotated_at)
    VALUES (@familyId, @sid, @clientId, 1, @scope, @audience, @nonce, @openedSeq, @now)`)
  const byId = db.prepare<[string], FamilyOfSession>(`SELECT f.family_id, f.client_id AS family_client, f.generation, f.scope, f.audience, f.nonce,
      f.opened_seq AS family_opened_seq, f.rotated_at, f.replaced_at,
      max(coalesce((SELECT grant_cutoff FROM participants WHERE sid = f.sid AND client_id = f.client_id), 0),
          coalesce((SELECT seq FROM cutoffs WHERE kind = 'client' AND key = f.client_id), 0)) AS grant_cutoff,
      ${SESSION_COLUMNS}
    FROM families f JOIN sessions s ON s.sid = f.sid JOIN subjects u ON u.sub = s.sub WHERE f.family_id = +?`)
  const advance = db.prepare<[{ familyId: string; generation: number; now: number; replacedAt: string }]>(
    `UPDATE families SET generation = generation + 1, rotated_at = @now, replaced_at = @replacedAt WHERE family_id = @familyId AND generation = @generation`,
  )

  const rejected = (why: RejectedWhy): Rotation => ({ outcome: 'rejected', why })

  /** The generation before the current one, again: its answer was lost, or it was sent twice. The successor is the same one. */
  const mayReplay = (row: FamilyOfSession, generation: number, windowSeconds: number | undefined, now: number): boolean =>
    generation === row.generation - 1 && (windowSeconds === undefined || now - row.rotated_at <= windowSeconds)

  const replacedAt = (row: FamilyOfSession): number[] => JSON.parse(row.replaced_at) as number[]

  /** From the first that still counts: each stands for one generation, counted from the end. */
  const recent = (row: FamilyOfSession, now: number): number[] => {
    const times = replacedAt(row)
    const first = times.findIndex((at) => now - at <= PIPELINE_SECONDS)
    return first < 0 ? [] : times.slice(first)
  }

  /**
   * By when that very token was last good (until its successor was used), not by when the family was: a thief who refreshes all the time
   * hides nothing by it.
   */
  const isPipelined = (row: FamilyOfSession, generation: number, now: number): boolean => {
    const at = replacedAt(row).at(Math.min(generation + 1, row.generation - 1) - row.generation)
    return at !== undefined && now - at <= PIPELINE_SECONDS
  }

  /**
   * Not to be used any more. Requests that were under way together harm nobody; but the one before the current, which only a public client may
   * not use for as long as it likes, is either a lost answer or one of two holders of the token: the grant alone is revoked.
   */
  const older = (row: FamilyOfSession, generation: number, now: number): Rotation => {
    const pipelined = isPipelined(row, generation, now)
    if (pipelined && generation < row.generation - 1) return rejected('stale')
    const actor = { kind: 'broker', id: 'token' } as const
    if (!pipelined) {
      const committed = log.append({ selector: { kind: 'session', sid: row.sid }, reason: 'refresh_token_reuse', actor, now })
      return { outcome: 'stolen', committed }
    }
    const selector = { kind: 'grant', sid: row.sid, clientId: row.family_client } as const
    return { outcome: 'late', committed: log.append({ selector, reason: 'refresh_token_late', actor, now }) }
  }

  return {
    open({ familyId, sid, grant, openedSeq, now }) {
      const { clientId, scope, audience, nonce } = grant
      insert.run({ familyId, sid, clientId, scope, audience, nonce: nonce ?? null, openedSeq, now })
      return { familyId, sid, clientId, generation: 1, scope, audience, nonce }
    },

    rotate({ familyId, generation, clientId, replayWindowSeconds, now }) {
      const row = byId.get(familyId)
      if (row === undefined || generation > row.generation || generation < 1) return rejected('unknown')
      if (row.family_client !== clientId) return rejected('wrong_client')
      const standing = sessions.standing(row, now)
      if (standing.state === 'unknown') return rejected('unknown')
      if (standing.state === 'ended') return rejected(rejectedBy(standing.why))
      if (row.grant_cutoff > row.family_opened_seq) return rejected('revoked')
      if (generation === row.generation) {
        advance.run({ familyId, generation, now, replacedAt: JSON.stringify([...recent(row, now), now].slice(-REMEMBERED)) })
        sessions.touch(row, clientId, now)
        return { outcome: 'rotated', family: familyOf(row, generation + 1), session: sessions.session(row), rev: log.head() }
      }
      if (!mayReplay(row, generation, replayWindowSeconds, now)) return older(row, generation, now)
      return { outcome: 'replayed', family: familyOf(row), session: standing.session, rev: log.head() }
    },

    find(familyId, generation) {
      const row = byId.get(familyId)
      if (row === undefined || generation > row.generation || generation < 1) return undefined
      const usable = generation >= row.generation - 1 && !isRevoked(row) && row.grant_cutoff <= row.family_opened_seq
      return { family: familyOf(row), current: usable }
    },
  }
}
