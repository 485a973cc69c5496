import type { Identified, Session } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { Button, HiddenFields } from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageView } from '../page-request.ts'
import type { Texts } from '../../pages/texts.ts'
import { ago, deviceIn, Moment } from '../../pages/times.tsx'
import { OAuthError } from '../../protocol/error.ts'
import { ReturnToApp } from './reply.tsx'
import { type CallbackResult, seal } from './sealed.ts'
import type { BrowserContext } from './browser-context.ts'

/**
 * The page on which a user with too many sessions chooses which end. The sign-in waits sealed in
 * its form.
 */

export const limitPurpose = (sealed: string): string => `session-limit:${sealed}`

/** Returns the page of that choice. @param choose how many of `among` must end */
export function limitPage(
  deps: Deps,
  { t, csrf }: PageView,
  browser: BrowserContext,
  {
    id,
    result,
    choose,
    among,
    identified,
  }: {
    id: string
    result: CallbackResult
    choose: number
    among: readonly Session[]
    identified: Identified
  },
  now: number,
): PageAnswer {
  const { purpose } = result.visit
  // Its time counts from Microsoft's answer, however often the form is shown again.
  const sealed = seal(deps, browser, 'limit', { id, identified, ...result }, identified.at)
  const answer = new OAuthError(
    'access_denied',
    'The user has reached the maximum number of sessions, and ended none of them.',
  )
  return {
    page: {
      title: t.sessionLimit.title,
      status: 403,
      formAction: purpose.kind === 'instance' ? [purpose.request.reply.redirectUri] : [],
    },
    body: (
      <>
        <p>{t.sessionLimit.most({ most: deps.config.sessionRules.most ?? among.length })}</p>
        <form class="stack" method="post" action="/signin/session-limit">
          <HiddenFields fields={{ request: sealed, [CSRF_FIELD]: csrf(limitPurpose(sealed)) }} />
          <Chooser choose={choose} among={among} now={now} t={t} />
          <div class="row">
            <Button>{t.sessionLimit.end}</Button>
          </div>
        </form>
        {purpose.kind === 'own' ? null : (
          <ReturnToApp
            deps={deps}
            reply={purpose.request.reply}
            answer={answer}
            label={t.sessionLimit.back}
          />
        )}
      </>
    ),
  }
}

const Chooser = ({
  choose,
  among,
  now,
  t,
}: {
  choose: number
  among: readonly Session[]
  now: number
  t: Texts
}) => (
  <fieldset>
    <legend>{t.sessionLimit.choose({ count: choose })}</legend>
    {among.map((session) => (
      <label class="choice">
        <input
          type={choose === 1 ? 'radio' : 'checkbox'}
          name="end"
          value={session.sid}
          required={choose === 1}
        />
        <span>{deviceIn(session.device, t)}</span>
        <span class="hint">
          {t.sessions.lastUsed}: {ago(session.lastActiveAt, now, t)} · {t.sessions.since}:{' '}
          <Moment at={session.openedAt} t={t} />
        </span>
      </label>
    ))}
  </fieldset>
)
