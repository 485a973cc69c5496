import { LinkButton } from '../../pages/components.tsx'
import { desk, Panel, type ConsoleRequest, type Way } from './desk.tsx'

/** There is nothing of that name, or it may not be done: said, with the way back. @param href where it leads, if not to the page `back` */
export const nothingHere = (request: ConsoleRequest, what: string, back: Way, status: 400 | 403 | 404 | 422 = 404, href: string = back): Response =>
  desk(
    request,
    { title: status === 404 ? 'Nothing here' : 'That was not done', at: back, status },
    <Panel class="narrow">
      <p>{what}</p>
      <div class="row">
        <LinkButton href={href} kind="quiet">
          Back
        </LinkButton>
      </div>
    </Panel>,
  )
