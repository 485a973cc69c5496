import type { Selector } from '../../src/protocol/revocation.ts'

/**
 * The store's rules in their simplest form: a log that is read from its beginning at each question,
 * without cutoffs, ended rows or batches. It is slow, and can be verified by reading it.
 */

interface ModelSession {
  sid: string
  sub: string
  tid: string
  openedSeq: number
  activeAt: number
  idleSeconds: number
  absoluteAt: number
}

interface ModelFamily {
  familyId: string
  sid: string
  clientId: string
  generation: number
  openedSeq: number
  /** When each generation was replaced, the first one first. */
  replacedAt: number[]
}

export class Model {
  readonly log: { seq: number; selector: Selector }[] = []
  readonly sessions: ModelSession[] = []
  readonly families: ModelFamily[] = []
  /** The head of the log at each exchange, by `sid client_id`. */
  readonly joined = new Map<string, number>()

  append(selector: Selector): void {
    this.log.push({ seq: this.log.length + 1, selector })
  }

  /**
   * Returns whether an entry of the log covers the session: it matches, and is later than the
   * opening.
   */
  isRevoked({ sid, sub, tid, openedSeq }: ModelSession): boolean {
    return this.log.some(({ seq, selector }) => {
      if (seq <= openedSeq) return false
      if (selector.kind === 'session') return selector.sid === sid
      if (selector.kind === 'subject') return selector.sub === sub
      if (selector.kind === 'tenant') return selector.tid === tid
      return selector.kind === 'everything'
    })
  }

  isOver(session: ModelSession, now: number): boolean {
    return now >= session.activeAt + session.idleSeconds || now >= session.absoluteAt
  }

  isLive(session: ModelSession, now: number): boolean {
    return !this.isRevoked(session) && !this.isOver(session, now)
  }

  grantIsRevoked(sid: string, clientId: string, openedSeq: number): boolean {
    return this.log.some(({ seq, selector }) => {
      if (seq <= openedSeq) return false
      if (selector.kind === 'grant') return selector.sid === sid && selector.clientId === clientId
      return selector.kind === 'client' && selector.clientId === clientId
    })
  }

  touch(session: ModelSession, now: number): void {
    if (now - session.activeAt >= Math.min(60, session.idleSeconds / 10)) session.activeAt = now
  }

  /** Returns the outcome of a refresh (RFC 9700 §4.14.2), and appends the revocation of a theft. */
  refresh(family: ModelFamily, generation: number, now: number): string {
    const session = this.sessionOf(family.sid)
    if (generation < 1 || generation > family.generation) return 'unknown'
    if (this.isRevoked(session)) return 'revoked'
    if (this.isOver(session, now)) return 'expired'
    if (this.grantIsRevoked(family.sid, family.clientId, family.openedSeq)) return 'revoked'
    if (generation === family.generation) {
      family.generation += 1
      family.replacedAt.push(now)
      this.touch(session, now)
      return 'rotated'
    }
    if (generation === family.generation - 1) return 'replayed'
    // The token was valid until its successor was used.
    if (now - (family.replacedAt[generation] ?? -Infinity) <= 30) return 'stale'
    this.append({ kind: 'session', sid: family.sid })
    return 'stolen'
  }

  revoke(selector: Selector): 'revoked' | 'already' {
    if (selector.kind === 'session' || selector.kind === 'grant') {
      if (this.isRevoked(this.sessionOf(selector.sid))) return 'already'
    }
    if (selector.kind === 'grant') {
      const joinedSeq = this.joined.get(`${selector.sid} ${selector.clientId}`)
      if (joinedSeq === undefined) return 'already'
    }
    this.append(selector)
    return 'revoked'
  }

  sessionOf(sid: string): ModelSession {
    const session = this.sessions.find((modelSession) => modelSession.sid === sid)
    if (session === undefined) throw new Error('The model does not know that session.')
    return session
  }
}
