import type { HelpContact, Tenant } from '../../db/types.ts'
import { useTexts } from '../pages/texts.ts'
import type { Deps } from './deps.ts'

/** Whom a user asks for help: the contact of their tenant, or that of the operator of the broker. */

type Need = Pick<Deps, 'config' | 'store'>

/** Returns the contact of the operator of the broker (BROKER_SUPPORT_URL). */
export function helpOfOperator({
  config: { look },
}: Pick<Deps, 'config'>): HelpContact | undefined {
  const { support, organization: name } = look
  if (support === undefined) return undefined
  const [, scheme, address] = /^(mailto|tel):(.*)$/.exec(support) ?? []
  if (scheme === 'mailto') return { name, email: address }
  return scheme === 'tel' ? { name, telephone: address } : { name, link: support }
}

/** Returns the contact of a user's tenant; where it has none, that of the operator. */
export const helpOf = (
  deps: Pick<Deps, 'config'>,
  tenant: Tenant | undefined,
): HelpContact | undefined => tenant?.helpContact ?? helpOfOperator(deps)

/** Reads the tenant and returns its contact, as `helpOf` does. */
export const helpFor = async (
  deps: Need,
  tid: string | undefined,
): Promise<HelpContact | undefined> =>
  helpOf(deps, tid === undefined ? undefined : await deps.store.findTenant(tid))

/** A message to the contact. */
export interface HelpMessage {
  subject: string
  body: string
}

/** Returns the address by which the contact is asked. */
export function addressOf(
  { email, telephone, link }: HelpContact,
  message?: HelpMessage,
): string | undefined {
  if (email === undefined) return link ?? (telephone === undefined ? undefined : telOf(telephone))
  if (message === undefined) return `mailto:${email}`
  // RFC 6068: a space is encoded as %20, not +.
  const [subject, body] = [message.subject, message.body].map(encodeURIComponent)
  return `mailto:${email}?subject=${subject}&body=${body}`
}

const telOf = (telephone: string): string => `tel:${telephone.replace(/[^+\d]/g, '')}`

/** The contact in words; without one, whom to ask. */
export function Help({ help }: { help: HelpContact | undefined }) {
  const t = useTexts()
  if (help === undefined) return <p>{t.contact.whom}</p>
  const { name, email, telephone, link } = help
  return (
    <ul class="plain tight">
      {name === undefined ? null : (
        <li>
          <strong>{name}</strong>
        </li>
      )}
      {telephone === undefined ? null : (
        <li>
          <a href={telOf(telephone)}>{t.contact.telephone({ telephone })}</a>
        </li>
      )}
      {email === undefined ? null : (
        <li>
          <a href={`mailto:${email}`}>{email}</a>
        </li>
      )}
      {link === undefined ? null : (
        <li>
          <a href={link}>{link.replace(/^https:\/\//, '')}</a>
        </li>
      )}
    </ul>
  )
}
