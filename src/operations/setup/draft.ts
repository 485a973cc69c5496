import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { Deps } from '../deps.ts'
import type { SetupRequest } from './frame.tsx'

/**
 * The draft of an application form that was not saved. It is sealed in the store for its visitor
 * and 15 minutes, so that a secret that Entra shows only once is not lost and no page holds it.
 */

const SECONDS = 900

type Of = Pick<SetupRequest, 'now' | 'visitor'> & { deps: Pick<Deps, 'store' | 'sealer'> }

/**
 * Returns the name of the setting. An administrator has one draft in all sessions, because a fresh
 * sign-in may start another session.
 */
const setting = ({ visitor }: Of): string =>
  `setup/draft/${visitor.by === 'role' ? visitor.actor.id : visitor.key}`

const placeOf = (request: Of): string => `settings/${setting(request)}`

export async function keepDraft(
  request: Of,
  form: URLSearchParams,
  names: readonly string[],
): Promise<void> {
  const { store, sealer } = request.deps
  const former = (await draftOf(request)) ?? {}
  const typed = names.flatMap((name) => {
    const value = form.get(name)?.trim()
    return value ? [[name, value] as const] : []
  })
  const fields = { ...former, ...Object.fromEntries(typed) }
  await store.setSetting(
    setting(request),
    sealUntil(sealer, placeOf(request), fields, request.now + SECONDS),
  )
}

export async function draftOf(request: Of): Promise<Record<string, string> | undefined> {
  const { store, sealer } = request.deps
  const sealed = await store.setting(setting(request))
  const fields = openUntil(sealer, placeOf(request), sealed, request.now) as
    | Record<string, string>
    | undefined
  if (fields !== undefined || sealed === undefined) return fields
  await dropDraft(request)
  return undefined
}

export const dropDraft = (request: Of): Promise<void> =>
  request.deps.store.setSetting(setting(request), undefined)
