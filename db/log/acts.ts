import type { Engine } from '../engine/act.ts'
import type { AuditActs, EvidenceActs, FeedActs, RevocationActs } from '../store.ts'
import { appendAudit, concludeAudit, listAudit, pageOfAudit } from './audit.ts'
import { addSignedHead, chainRows, evidenceRows, headAndSignature, segmentBegins, signedAround } from './evidence.ts'
import { following } from './feed.ts'
import { guardReports, recordEnforced } from './guards.ts'
import { logHeadRow } from './head.ts'
import { everythingRevokedAt, findRevocation, listRevocations, pageOfRevocations } from './revocations.ts'
import { revocationTimes } from './times.ts'

type Reading = 'findRevocation' | 'everythingRevokedAt' | 'listRevocations' | 'pageOfRevocations' | 'revocationTimes'

/** Both logs: what was revoked, as operators read it and guards follow it; what operators did; and both as evidence. */
export function logActs(engine: Engine): Pick<RevocationActs, Reading> & FeedActs & AuditActs & EvidenceActs {
  const { read, write } = engine
  return {
    findRevocation: (seq) => read(() => findRevocation(seq)),
    everythingRevokedAt: () => read(everythingRevokedAt),
    listRevocations: (input) => listRevocations(engine, input),
    pageOfRevocations: (input) => pageOfRevocations(engine, input),
    revocationTimes: (input) => revocationTimes(engine, input),
    head: () => read(logHeadRow),
    revocationsAfter: following(engine),
    recordEnforced: (...reports) => write(() => recordEnforced(reports)),
    guardReports: () => read(guardReports),
    appendAudit: (entry) => write(() => appendAudit(entry)),
    concludeAudit: (input) => write(() => concludeAudit(input)),
    listAudit: (input) => listAudit(engine, input),
    pageOfAudit: (input) => pageOfAudit(engine, input),
    chainHead: (log) => read(() => headAndSignature(log)),
    addSignedHead: (head) => write(() => addSignedHead(head)),
    signedAround: (place) => read(() => signedAround(place)),
    chainRows: (stretch) => read(() => chainRows(stretch)),
    chainBegins: (place) => read(() => segmentBegins(place)),
    evidenceRows: (stretch) => read(() => evidenceRows(stretch)),
  }
}
