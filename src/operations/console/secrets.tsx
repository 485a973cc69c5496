import type { Child } from 'hono/jsx'
import { LinkButton, Notice } from '../../pages/components.tsx'
import type { Client, SecretHash } from '../../protocol/client-metadata.ts'
import { fileOf, known, secretIn, usesSecret, withOwnSecrets } from '../acts/clients.ts'
import { CHANGED, entryInFile, SECRETS, stepsInFile, stops } from '../acts/texts/secrets.ts'
import { ask } from '../contract/ask.ts'
import { actAt, type Submission, confirmed } from './confirm.tsx'
import { plural } from './format.ts'
import { consolePage, Done, nothingHere, Panel } from './layout.tsx'
import { listOf } from './list.tsx'
import {
  clientLink,
  type ConsoleRequest,
  isAdministrator,
  linkOf,
  type Mounted,
} from './request.ts'
import { timeAt } from './time.tsx'

/**
 * The secrets of a client on its page, and the acts that replace and remove one. For a client of
 * the clients file the page says what to change there.
 */

const DAY = 86_400
const HERE = '/clients/:id/secrets'
const pathOf = (clientId: string, act: string): string =>
  `/clients/${encodeURIComponent(clientId)}/secrets/${act}`

export async function secretsPanel(request: ConsoleRequest, client: Client): Promise<Child> {
  const { clientId, source, metadata } = client
  // The registry in memory does not have the last uses.
  const { secrets } = (await request.deps.store.findClient(clientId)) ?? client
  if (!usesSecret(metadata) && secrets.length === 0) return null
  const isInFile = source === 'file'
  const mayChange = isAdministrator(request) && !isInFile && source !== 'broker'
  return (
    <Panel title="Secrets">
      <Done request={request} results={{ secret_removed: SECRETS.removed }} />
      {await listOf<SecretHash>(request, {
        label: 'Secrets',
        columns: [
          ['ID', ({ id }) => <code>{id}</code>],
          [
            'Works since',
            ({ createdAt }) => {
              const days = Math.floor((request.now - createdAt) / DAY)
              return (
                <>
                  {timeAt(request, createdAt)}
                  {days > 0 ? `, for ${plural(days, 'day')}` : ''}
                </>
              )
            },
          ],
          [
            'Works until',
            ({ expiresAt }) =>
              expiresAt === undefined ? SECRETS.until : timeAt(request, expiresAt),
          ],
          [
            'Last used',
            ({ usedAt }) => (usedAt === undefined ? SECRETS.unused : timeAt(request, usedAt)),
          ],
          mayChange && [
            'Remove',
            ({ id }) => (
              <a
                href={linkOf(`/ops${pathOf(clientId, 'remove')}`, { secret: id })}
                aria-label={`${SECRETS.remove}: the secret ${id}`}
              >
                {SECRETS.remove}
              </a>
            ),
          ],
        ],
        entries: secrets,
        none: SECRETS.none,
      })}
      <p class="soft small">
        {isInFile ? SECRETS.whatInFile : SECRETS.what} {SECRETS.use}
      </p>
      <h3>{SECRETS.leaked}</h3>
      {isInFile ? <InFile request={request} client={client} /> : <p>{SECRETS.leakedThen}</p>}
      {mayChange ? (
        <div class="row">
          <LinkButton href={`/ops${pathOf(clientId, 'replace')}`} kind="danger">
            {SECRETS.replace}
          </LinkButton>
        </div>
      ) : null}
    </Panel>
  )
}

/** The steps of a replacement in the clients file, with the entry as it then is. */
const InFile = ({
  request: { deps },
  client: { clientId, secrets },
}: {
  request: ConsoleRequest
  client: Client
}) => (
  <>
    <ol class="bullets">
      {[...stepsInFile(fileOf(deps), clientId), SECRETS.leakedThenInFile].map((step) => (
        <li>{step}</li>
      ))}
    </ol>
    <pre tabindex={0} role="region" aria-label="the entry">
      {entryInFile(
        clientId,
        secrets.map(({ hash }) => `${hash.slice(0, 12)}…`),
      )}
    </pre>
  </>
)

/** Returns the client of the address. @throws Problem if its secrets cannot be changed here */
const clientOf = async ({ deps, c }: ConsoleRequest): Promise<Client> =>
  withOwnSecrets(deps, await known(deps, c.req.param('id') ?? ''))

/** The part of an act on a client's secrets that is the same for all. */
const actOn = (clientId: string, act: string) =>
  ({
    at: '/clients',
    action: pathOf(clientId, act),
    back: { href: clientLink(clientId) },
  }) as const

async function replace(request: ConsoleRequest, submission: Submission): Promise<Response> {
  const client = await clientOf(request)
  const { clientId, metadata } = client
  const valid = client.secrets.filter(({ expiresAt = Infinity }) => expiresAt > request.now)
  // A form that is sent again would make a third secret, and so end one that works.
  const ids = valid.map(({ id }) => id).join(' ')
  if (submission.sent !== undefined && submission.sent.get('known') !== ids)
    return nothingHere(request, CHANGED, '/clients', 422, clientLink(clientId))
  const [oldest] = valid
  return confirmed(request, submission, {
    ...actOn(clientId, 'replace'),
    title: SECRETS.checkReplace,
    fields: { known: ids },
    button: SECRETS.make,
    show: () => ({
      facts: [
        ['Instance', metadata.name],
        ['Then', SECRETS.newFirst],
        [
          'The old one',
          valid.length > 1 && oldest !== undefined ? stops(oldest.id) : SECRETS.oldGoesOn,
        ],
      ],
    }),
    async carryOut(caseAndComment) {
      const members = { id: clientId, ...caseAndComment }
      const { caller } = request.viewer
      const { client_secret: secret } = await ask(
        request,
        caller,
        'POST /clients/:id/secrets',
        members,
      )
      return consolePage(
        request,
        { title: SECRETS.newOf(metadata.name), at: '/clients' },
        <Panel class="narrow">
          <pre tabindex={0} role="region" aria-label="the secret">
            <code class="value">{secret}</code>
          </pre>
          <p>
            <strong>{SECRETS.once}</strong> {SECRETS.next}
          </p>
          <LinkButton href={clientLink(clientId)}>{SECRETS.back}</LinkButton>
        </Panel>,
      )
    },
  })
}

async function remove(request: ConsoleRequest, submission: Submission): Promise<Response> {
  const client = await clientOf(request)
  const { clientId, metadata, secrets } = client
  const { id, createdAt, usedAt } = secretIn(client, submission.source.get('secret') ?? '')
  return confirmed(request, submission, {
    ...actOn(clientId, 'remove'),
    title: SECRETS.checkRemove,
    fields: { secret: id },
    button: SECRETS.removeNow,
    show: () => ({
      notices: secrets.length > 1 ? null : <Notice kind="warn" title={SECRETS.only} />,
      facts: [
        ['Instance', metadata.name],
        ['Secret', <code>{id}</code>],
        ['Works since', timeAt(request, createdAt)],
        ['Last used', usedAt === undefined ? SECRETS.unused : timeAt(request, usedAt)],
        ['Then', SECRETS.removedThen],
      ],
    }),
    async carryOut(caseAndComment) {
      const members = { id: clientId, secret: id, ...caseAndComment }
      const { caller } = request.viewer
      await ask(request, caller, 'DELETE /clients/:id/secrets/:secret', members)
      return linkOf(clientLink(clientId), { done: 'secret_removed' })
    },
  })
}

export const secretRoutes: readonly Mounted[] = [
  actAt(`${HERE}/replace`, replace, { at: '/clients' }),
  actAt(`${HERE}/remove`, remove, { at: '/clients' }),
]
