import type { Session } from '../../../db/types.ts'
import { Button, HiddenFields } from '../../pages/components.tsx'
import { CSRF_FIELD } from '../../pages/csrf.ts'
import type { PageAnswer, PageView } from '../page-request.ts'
import type { Client } from '../../protocol/client-metadata.ts'
import { splitList } from '../../protocol/params.ts'
import type { SignInRequest } from './request.ts'

/** The page that asks the user to let an instance learn who they are. */

export const consentPurpose = (sealed: string): string => `consent:${sealed}`

export function consentPage(
  { t, csrf }: PageView,
  {
    sealed,
    client,
    request,
    session,
  }: { sealed: string; client: Client; request: SignInRequest; session: Session },
): PageAnswer {
  const { user } = session
  const { name, uri, redirectUris } = client.metadata
  const who = user.username ?? user.name ?? t.consent.unnamed
  const wants: Readonly<Record<string, string>> = t.consent.scopes
  return {
    page: {
      title: t.consent.title({ app: name }),
      formAction: [request.reply.redirectUri, uri, ...redirectUris],
    },
    body: (
      <form class="stack" method="post" action="/signin/consent">
        <ul class="bullets">
          {splitList(request.scope).map((scope) => (
            <li>{wants[scope] ?? scope}</li>
          ))}
        </ul>
        <p class="soft">{t.consent.signedInAs({ who: <strong>{who}</strong> })}</p>
        <HiddenFields fields={{ request: sealed, [CSRF_FIELD]: csrf(consentPurpose(sealed)) }} />
        <div class="row">
          <Button name="decision" value="allow">
            {t.consent.allow}
          </Button>
          <Button name="decision" value="deny" kind="quiet">
            {t.consent.deny}
          </Button>
        </div>
      </form>
    ),
  }
}
