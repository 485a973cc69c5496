import { Answer, LinkButton } from '../../pages/components.tsx'

/** Parts of the set-up's pages: links to other pages, and a step with its state. */

/** The label and the address of a link. The primary one leads to the next step. */
type Link = readonly [label: string, href: string, isPrimary?: boolean]

export const Links = ({ links }: { links: readonly Link[] }) =>
  links.length === 0 ? null : (
    <div class="row">
      {links.map(([label, href, isPrimary = false]) => (
        <LinkButton href={href} kind={isPrimary ? 'primary' : 'quiet'}>
          {label}
        </LinkButton>
      ))}
    </div>
  )

export const Step = ({
  links,
  children,
  ...answer
}: Parameters<typeof Answer>[0] & { links: readonly Link[] }) => (
  <Answer {...answer}>
    {children}
    <Links links={links} />
  </Answer>
)
