import type { Child } from 'hono/jsx'
import type { Session } from '../../../db/types.ts'
import { isFresh } from '../../session/lifetimes.ts'
import { Notice } from '../../pages/components.tsx'
import type { Deps } from '../deps.ts'
import type { PageRequest } from '../page-request.ts'
import { networkOf } from '../../runtime/remote-address.ts'

/** Addresses of sign-ins, which a user sees for a short time after a fresh sign-in. */

type AddressPath = '/account' | '/account/history'

/** Returns the link to a fresh sign-in that returns to the page. */
export const proveFirst = (path: AddressPath): string => `/signin/start?return_to=${path}&fresh=yes`

/** The notice that addresses are hidden, unless they are shown or none is stored. */
export const Addresses = ({
  deps,
  current,
  path,
  request: { now, t },
}: {
  deps: Pick<Deps, 'config'>
  current: Session
  path: AddressPath
  request: PageRequest
}) =>
  isFresh(current, now) || deps.config.retention.addressDays === 0 ? null : (
    <Notice title={t.history.addressesTitle}>
      <p>{t.history.addresses}</p>
      <p>
        <a href={proveFirst(path)}>{t.history.proveFirst}</a>
      </p>
    </Notice>
  )

/**
 * Returns a function that says in plain words whether an address is in the reader's network, and
 * its first part; it says nothing where the reader's sign-in is not fresh.
 */
export const networksFor =
  (current: Session, { address, now, t }: PageRequest) =>
  (other: string | undefined): Child => {
    if (other === undefined || !isFresh(current, now)) return undefined
    const part = networkOf(other)
    const network = <bdi>{part}</bdi>
    return part === networkOf(address ?? '')
      ? t.history.sameNetwork({ network })
      : t.history.otherNetwork({ network })
  }
