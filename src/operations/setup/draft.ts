import { openUntil, sealUntil } from '../../keys/sealed-in-browser.ts'
import type { Deps } from '../deps.ts'
import type { SetupRequest } from './frame.tsx'

/**
 * What was typed into the form of the application and was not saved: on an error, or because the
 * sign-in was too old. Sealed in the store, for that visitor alone and 15 minutes, so that a secret
 * that Entra shows once is not lost, and no page has to carry it.
 */

const SECONDS = 900

type Of = Pick<SetupRequest, 'now' | 'visitor'> & { deps: Pick<Deps, 'store' | 'sealer'> }

/** A fresh sign-in may be another session of the same administrator. */
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
