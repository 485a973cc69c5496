import { doneOnce } from '../acts/once.ts'
import { LinkButton } from '../page/components.tsx'
import { desk, Panel, type ConsoleRequest } from './desk.tsx'
import { nothingHere } from './nothing.tsx'

/** A form that is sent twice, by a double click or from a kept page, acts once: the second answer leads where the first one led. */

const ONCE_FIELD = 'once'
const TOKEN = /^[\w-]{22}$/

/** A hidden field, new with each page. */
export const onceField = ({ deps }: ConsoleRequest): Record<string, string> => ({ [ONCE_FIELD]: deps.random(16).toString('base64url') })

/**
 * @param what the form acts on
 * @param act its redirect is the answer of every further time; any other answer says that nothing was done
 */
export async function onceOnly(request: ConsoleRequest, form: URLSearchParams, what: string, act: () => Promise<Response>): Promise<Response> {
  const { deps, c, operator } = request
  const key = form.get(ONCE_FIELD) ?? ''
  if (!TOKEN.test(key)) return act()
  const once = await doneOnce(deps, { actor: operator.caller.actor, key, request: `${c.req.path} ${what}` }, act, (answer) => {
    const body = answer.headers.get('location')
    return body === null ? undefined : { status: answer.status, body }
  })
  if (once.outcome === 'done') return once.answer
  if (once.outcome === 'repeated') return c.redirect(once.body, 303)
  return once.outcome === 'running' ? runningPage(request) : nothingHere(request, OTHER, '/ops', 422)
}

const OTHER = 'This form was already sent for something else. Open the page again.'

const runningPage = (request: ConsoleRequest): Response =>
  desk(
    request,
    { title: 'Your request is in progress', at: '/ops/locks', status: 409 },
    <Panel class="narrow">
      <p>You have already sent this form. The broker is carrying it out, and does so only once. See the result here:</p>
      <div class="row">
        <LinkButton href="/ops/locks">Acts that wait for approval</LinkButton>
        <LinkButton href="/ops/revocations" kind="quiet">
          Revocations
        </LinkButton>
      </div>
    </Panel>,
  )
