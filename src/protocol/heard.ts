import { sha256 } from './compare.ts'

/**
 * That a transmitter of signals was heard: one mark for each interval, which any broker sets and every broker sees. A transmitter sends
 * verification events of its own (SSF 1.0 §8.1.4), so that silence is no sign of peace.
 */
export const heardMark = (issuer: string, everySeconds: number, at: number): { purpose: string; idHash: string } => ({
  purpose: 'signal-heard',
  idHash: sha256(JSON.stringify([issuer, everySeconds, Math.floor(at / everySeconds)])),
})
