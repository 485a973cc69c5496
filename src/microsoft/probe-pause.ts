import type { Store } from '../../db/store.ts'
import type { Concern } from './interface.ts'

/**
 * The pause of a tenant's probe after its alarm: which answers have no effect, until an operator
 * resumes the probe. It is a setting in the store, so every broker follows it.
 */

/** The concern that a pause holds back. An answer about an account is never held back. */
export type Held = Exclude<Concern, 'account'>

interface ProbePause {
  tid: string
  /** The start of the pause in epoch seconds. */
  at: number
  /** The AADSTS number of the answers that raised the latest alarm, if they had one. */
  code: number | undefined
  /** The start in epoch seconds, by what is held back. */
  since: Partial<Record<Held, number>>
}

const setting = (tid: string): string => `probe_paused/${tid}`
const settledSetting = (tid: string): string => `probe_assignments_settled/${tid}`

type Settings = Pick<Store, 'setting' | 'setSetting'>

export async function pauseProbe(
  store: Settings,
  { tid, held, at, code }: { tid: string; held: Held; at: number; code: number | undefined },
): Promise<void> {
  const former = await probePause(store, tid)
  const since = { ...former?.since, [held]: at }
  await store.setSetting(setting(tid), JSON.stringify({ at: former?.at ?? at, code, since }))
}

export async function probePause(
  store: Pick<Store, 'setting'>,
  tid: string,
): Promise<ProbePause | undefined> {
  const text = await store.setting(setting(tid))
  if (text === undefined) return undefined
  const stored = JSON.parse(text) as Pick<ProbePause, 'at' | 'code'> & Partial<ProbePause>
  // A pause of version 1.0.0-rc.2 does not say what it holds back.
  return { since: { address: stored.at }, ...stored, tid }
}

/**
 * Ends the pause. Where withdrawn assignments were held back, this decides that they are meant:
 * until `settledUntil` (epoch seconds) they end sessions, however many they are.
 * @returns false if the probe was not paused
 */
export async function resumeProbe(
  store: Settings,
  tid: string,
  settledUntil: number,
): Promise<boolean> {
  const pause = await probePause(store, tid)
  if (pause === undefined) return false
  if (pause.since.assignment !== undefined)
    await store.setSetting(settledSetting(tid), String(settledUntil))
  await store.setSetting(setting(tid), undefined)
  return true
}

/** Returns whether an operator has decided that withdrawn assignments end sessions. */
export const areAssignmentsSettled = async (
  store: Pick<Store, 'setting'>,
  tid: string,
  now: number,
): Promise<boolean> => Number((await store.setting(settledSetting(tid))) ?? 0) > now
