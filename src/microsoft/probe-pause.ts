import type { Store } from '../../db/store.ts'

/**
 * A tenant whose probing was paused by its alarm: a setting of the store, until an operator takes
 * it away.
 */

interface ProbePause {
  tid: string
  /** Epoch seconds. */
  at: number
  /** AADSTS, where there was one. */
  code: number | undefined
}

const setting = (tid: string): string => `probe_paused/${tid}`

type Settings = Pick<Store, 'setting' | 'setSetting'>

export const pauseProbe = (store: Settings, { tid, ...why }: ProbePause): Promise<void> =>
  store.setSetting(setting(tid), JSON.stringify(why))

export async function probePause(
  store: Pick<Store, 'setting'>,
  tid: string,
): Promise<ProbePause | undefined> {
  const text = await store.setting(setting(tid))
  return text === undefined ? undefined : { tid, ...(JSON.parse(text) as Omit<ProbePause, 'tid'>) }
}

/** @returns false where it was not paused */
export async function resumeProbe(store: Settings, tid: string): Promise<boolean> {
  if ((await probePause(store, tid)) === undefined) return false
  await store.setSetting(setting(tid), undefined)
  return true
}
