import type { Store } from '../../db/store.ts'

/**
 * The pause of a tenant's probe after its alarm. It is a setting in the store, until an operator
 * resumes the probe.
 */

interface ProbePause {
  tid: string
  /** The start of the pause in epoch seconds. */
  at: number
  /** The AADSTS number of the answers that raised the alarm, if they had one. */
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

/**
 * Ends the pause.
 * @returns false if the probe was not paused
 */
export async function resumeProbe(store: Settings, tid: string): Promise<boolean> {
  if ((await probePause(store, tid)) === undefined) return false
  await store.setSetting(setting(tid), undefined)
  return true
}
