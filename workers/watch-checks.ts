import type { Checks } from '../src/operations/checks/checks.ts'
import type { Deps } from './deps.ts'

/** Runs the checks regularly, and logs each failure when it begins and when it ends. */
export function watchChecks({ log }: Pick<Deps, 'log'>, checks: Checks): () => Promise<void> {
  let before = new Map<string, string>()
  return async () => {
    const failing = new Map<string, string>()
    for (const { check, about, state, found, fix } of await checks.look()) {
      if (state !== 'failed') continue
      const key = `${check} ${about ?? ''}`.trim()
      failing.set(key, check)
      if (!before.has(key)) log.error('check_failed', { check, about, found, next: fix })
    }
    for (const [key, check] of before) if (!failing.has(key)) log.info('check_recovered', { check, about: key.slice(check.length + 1) || undefined })
    before = failing
  }
}
