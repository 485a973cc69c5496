import { readBranding } from './acts/branding.ts'
import type { Deps } from './deps.ts'

/** Takes over what other brokers of the same store commit: revocations, registrations, tenants, keys and settings. */

type Followed = Pick<Deps, 'store' | 'feed' | 'clients' | 'connection' | 'keys' | 'log' | 'config'>

export function followOtherBrokers({ store, feed, clients, connection, keys, log, config }: Followed): void {
  const reload = (): void => {
    Promise.all([clients.reload(), connection.reload(), keys.reload(), readBranding({ store, config })]).catch((error: unknown) =>
      log.warn('registry_not_reloaded', { cause: String(error) }),
    )
  }
  store.onElsewhere((what) => {
    if (what === 'log') feed.lookAgain()
    else if (what === 'registry') reload()
    else if (what === 'promoted') log.warn('log_continued', { next: 'Make sure that the former primary of Postgres is stopped.' })
    else if (what === 'log_lost') {
      log.error('log_lost', {
        next: 'The new primary of Postgres lacks revocations that were acknowledged. Every session was revoked, and new signing keys sign. See docs/scale-out.md.',
      })
      feed.lookAgain()
      reload()
    } else {
      log.error('store_unconfirmed', {})
      feed.interrupt()
    }
  })
}
