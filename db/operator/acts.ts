import type { Engine } from '../engine/act.ts'
import type { AuditActs, EvidenceActs, Housekeeping, KeyActs } from '../store.ts'
import { appendAudit, concludeAudit, listAudit, pageOfAudit } from './audit.ts'
import { addSignedHead, chainRows, evidenceRows, headAndSignature, segmentBegins, signedAround } from './evidence.ts'
import { activateKey, addKey, listKeys, retireKey } from './keys.ts'
import { probe, resealSetting, setSetting, setSettingOnce, setting } from './settings.ts'

type SettingActs = Pick<Housekeeping, 'setting' | 'setSetting' | 'setSettingOnce' | 'resealSetting' | 'probe'>

/** What operators and administrators keep: signing keys and settings. */
export function operatorActs(engine: Engine): KeyActs & SettingActs {
  const { read, write, nowMs } = engine
  return {
    listKeys: () => read(listKeys),
    addKey: (key) => write(() => addKey(key)),
    activateKey: (input) => write(() => activateKey(engine, input)),
    retireKey: (input) => write(() => retireKey(engine, input)),
    setting: (name) => read(() => setting(name)),
    setSetting: (name, value) => write(() => setSetting(engine, name, value)),
    setSettingOnce: (name, value) => write(() => setSettingOnce(name, value)),
    resealSetting: (input) => write(() => resealSetting(input)),
    probe: () => write(() => probe(String(nowMs()))),
  }
}

/** What operators did, and both logs as evidence. */
export function auditActs(engine: Engine): AuditActs & EvidenceActs {
  const { read, write } = engine
  return {
    appendAudit: (entry) => write(() => appendAudit(engine, entry)),
    concludeAudit: (input) => write(() => concludeAudit(engine, input)),
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
