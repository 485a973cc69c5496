import type { Session } from '../../../db/types.ts'
import { isFresh } from '../../clients/session/lifetimes.ts'
import { Notice } from '../../pages/components.tsx'
import type { Texts } from '../../pages/texts.ts'
import type { Deps } from '../deps.ts'

/** Addresses of sign-ins, which a user sees for a short time after a fresh sign-in. */

type AddressPath = '/account' | '/account/history'

/** Returns the link to a fresh sign-in that returns to the page. */
export const proveFirst = (path: AddressPath): string => `/signin/start?return_to=${path}&fresh=yes`

/** The notice that addresses are hidden, unless they are shown or none is stored. */
export const Addresses = ({
  deps,
  current,
  path,
  now,
  t,
}: {
  deps: Pick<Deps, 'config'>
  current: Session
  path: AddressPath
  now: number
  t: Texts
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
 * Returns the first part of an address, IPv4 /24 or IPv6 /48: enough to tell the own network from
 * another one.
 */
export function shownAddress(address: string | undefined) {
  if (address === undefined) return undefined
  const v4 = /(\d+\.\d+\.\d+)\.\d+$/.exec(address)?.[1]
  const groups = [...(address.split('::')[0] ?? '').split(':').filter(Boolean), '0', '0', '0']
  return <bdi>{v4 === undefined ? `${groups.slice(0, 3).join(':')}:*` : `${v4}.*`}</bdi>
}
