import type { Child } from 'hono/jsx'
import type { Delivery, DeliveryAttempt } from '../../../db/types.ts'
import { Facts } from '../../pages/components.tsx'
import { span } from '../times.ts'
import { Acts, answerWords, lastAnswer, named, whoseOf } from './deliveries.tsx'
import { addressOf, count, nameOf } from './format.ts'
import { consolePage, Live, nothingHere, Panel, revocationLink } from './layout.tsx'
import type { ConsoleRequest, Mounted } from './request.ts'
import { STATE } from './texts/acts.ts'
import { DELIVERY } from './texts/deliveries.ts'
import { Time } from './time.tsx'

/** The page of one delivery: its attempts in the order of time, each with its request and answer. */

/** Upper bound of the attempts that the page shows: the latest. */
const MOST = 50

async function deliveryPage(request: ConsoleRequest): Promise<Response> {
  const { deps, c } = request
  const id = c.req.param('id') ?? ''
  const delivery = await deps.store.findDelivery(id)
  if (delivery === undefined) return nothingHere(request, DELIVERY.unknown, '/deliveries')
  const attempts = await deps.store.attemptsOf(id)
  const { words, tag } = STATE[delivery.state]
  return consolePage(
    request,
    { title: DELIVERY.title(named(request, delivery)), at: '/deliveries', live: true },
    <Live id="delivery">
      <Panel>
        <Facts
          items={[
            ['State', <span class={tag}>{words}</span>],
            ['Instance', nameOf(deps, delivery.clientId)],
            ['Address', addressOf(delivery)],
            ['Session', await whoseOf(request, delivery)],
            ['Revocation', delivery.seq === undefined ? undefined : revocationLink(delivery.seq)],
            ['Last answer', lastAnswer(delivery)],
          ]}
        />
        <div class="row">
          <Acts request={request} delivery={delivery} />
        </div>
      </Panel>
      <Panel title={DELIVERY.attempts(attempts.length, MOST)}>
        {attempts.length === 0 ? (
          <p class="soft">{DELIVERY.none}</p>
        ) : (
          <ol class="timeline">
            {attempts.slice(-MOST).map((attempt) => (
              <li>{attemptWords(request, delivery, attempt)}</li>
            ))}
          </ol>
        )}
      </Panel>
    </Live>,
  )
}

/** Renders an attempt: when it began, the request, and the answer or why there is none. */
function attemptWords(
  { deps }: ConsoleRequest,
  delivery: Delivery,
  { attempt, atMs, outcome, status, error, latencyMs, jti }: DeliveryAttempt,
): Child {
  const { words, tag } = outcome === 'retry' ? DELIVERY.retry : STATE[outcome]
  const when = <Time atMs={atMs} nowMs={deps.clock.nowMs()} />
  if (outcome === 'closed')
    return (
      <>
        {when} <span class={tag}>{words}</span> {error}
      </>
    )
  return (
    <>
      {when} <strong>{DELIVERY.number(count(attempt))}</strong> <span class={tag}>{words}</span>
      <div class="small">
        {DELIVERY.request} <code>POST {addressOf(delivery)}</code>
        {jti === undefined ? null : (
          <>
            , jti <code>{jti}</code>
          </>
        )}
      </div>
      <div class="small">
        {DELIVERY.answer} {answerWords(status, error) || words}, {DELIVERY.after(span(latencyMs))}
      </div>
    </>
  )
}

// The pattern excludes the shorter paths of the acts.
export const deliveryPageRoutes: readonly Mounted[] = [
  { path: '/deliveries/:id{.{8,200}}', page: deliveryPage, at: '/deliveries' },
]
