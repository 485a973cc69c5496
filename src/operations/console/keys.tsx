import type { Child } from 'hono/jsx'
import type { StoredSigningKey } from '../../../db/types.ts'
import { LinkButton } from '../../pages/components.tsx'
import { SelectField } from '../../pages/fields.tsx'
import { ask } from '../contract/ask.ts'
import { actAt, confirmed, type Submission } from './confirm.tsx'
import { Done, nothingHere, Panel } from './layout.tsx'
import { ms, timeColumn, wholeListRoutes } from './list.tsx'
import { type ConsoleRequest, isAdministrator, linkOf, type Mounted } from './request.ts'
import { webhookPanel } from './webhooks.tsx'
import { DONE, HOW, KEY, KEYS, SIGNS } from './texts/keys.ts'

/**
 * The signing keys, with the endpoints of webhooks, and the acts of administrators on keys: they
 * rotate keys as planned, replace compromised ones, and retire one that does not sign.
 */

const AT = '/keys'
const BOTH = 'both'

/** Returns the active keys that the broker keeps itself, and so rotates, by algorithm. */
const rotatable = async ({ deps }: ConsoleRequest): Promise<StoredSigningKey[]> =>
  (await deps.keys.list())
    .filter(({ state, privateSealed }) => state === 'active' && privateSealed !== null)
    .toSorted((a, b) => a.alg.localeCompare(b.alg))

const isRetirable = ({ state }: StoredSigningKey): boolean =>
  state === 'next' || state === 'retiring'

async function rotate(request: ConsoleRequest, submission: Submission): Promise<Response> {
  const { source, sent } = submission
  const keys = await rotatable(request)
  const kids = keys.map(({ kid }) => kid).join(' ')
  if (keys.length === 0) return nothingHere(request, KEYS.fromFiles, AT, 422)
  // A form that is sent again would make another key.
  if (sent !== undefined && sent.get('known') !== kids)
    return nothingHere(request, KEYS.changed, AT, 422)
  const isCompromised = source.get('how') === 'emergency'
  const algs = keys.map(({ alg }) => alg)
  const chosen = algs.find((alg) => alg === source.get('alg'))
  const when = source.get('when') === 'activate' ? 'activate' : 'next'
  const how = isCompromised ? 'emergency' : when
  const words = isCompromised ? HOW.compromised : HOW.planned
  return confirmed(request, submission, {
    title: words.check,
    at: AT,
    action: '/keys/rotate',
    fields: { how: isCompromised ? 'emergency' : undefined, known: kids },
    button: words.button,
    back: { href: '/ops/keys' },
    show: () => ({
      facts: [
        ...keys.map(({ alg, kid }) => [KEYS.of(SIGNS[alg]), <code>{kid}</code>] as const),
        ['Then', words.effect],
        ['Users', words.users],
        ['Afterwards', isCompromised ? <SignEveryoneOut /> : undefined],
      ],
      more: (
        <>
          <SelectField
            name="alg"
            label={KEYS.which}
            options={[
              ...(algs.length > 1 ? [[BOTH, KEYS.both] as const] : []),
              ...algs.map((alg) => [alg, `${alg}: ${SIGNS[alg]}`] as const),
            ]}
            chosen={chosen}
          />
          {isCompromised ? null : (
            <SelectField name="when" label={KEYS.when} options={KEYS.times} chosen={when} />
          )}
        </>
      ),
    }),
    async carryOut(caseAndComment) {
      const { caller } = request.viewer
      for (const alg of chosen === undefined ? algs : [chosen])
        await ask(request, caller, 'POST /keys/rotate', { alg, how, ...caseAndComment })
      return linkOf('/ops/keys', { done: how })
    },
  })
}

const SignEveryoneOut = () => (
  <>
    {KEYS.ifSigned} <a href={linkOf('/ops/revoke', { kind: 'everything' })}>{KEYS.signOut}</a>
  </>
)

async function retire(request: ConsoleRequest, submission: Submission): Promise<Response> {
  const kid = submission.source.get('kid') ?? ''
  const key = (await request.deps.keys.list()).find((signingKey) => signingKey.kid === kid)
  if (key === undefined || !isRetirable(key)) return nothingHere(request, KEYS.gone, AT)
  return confirmed(request, submission, {
    title: KEYS.checkRetire,
    at: AT,
    action: '/keys/retire',
    fields: { kid },
    button: KEYS.retire,
    back: { href: '/ops/keys' },
    show: () => ({
      facts: [
        ['Key', <code>{kid}</code>],
        ['Algorithm', `${key.alg}: ${SIGNS[key.alg]}`],
        ['State', KEY[key.state].words],
        ['Then', key.state === 'next' ? KEYS.nextGoes : KEYS.retiringGoes],
      ],
    }),
    async carryOut(caseAndComment) {
      await ask(request, request.viewer.caller, 'POST /keys/:kid/retire', {
        kid,
        ...caseAndComment,
      })
      return linkOf('/ops/keys', { done: 'retired' })
    },
  })
}

const Rotation = ({ request }: { request: ConsoleRequest }): Child =>
  isAdministrator(request) ? (
    <Panel title={KEYS.title}>
      <p>{KEYS.itself}</p>
      <div class="row">
        <LinkButton href="/ops/keys/rotate">{HOW.planned.link}</LinkButton>
        <LinkButton href={linkOf('/ops/keys/rotate', { how: 'emergency' })} kind="danger">
          {HOW.compromised.link}
        </LinkButton>
      </div>
    </Panel>
  ) : null

export const keyRoutes: readonly Mounted[] = [
  ...wholeListRoutes<StoredSigningKey>({
    name: 'keys',
    title: 'Keys and webhooks',
    live: true,
    label: 'Signing keys',
    heading: () => 'Signing keys',
    columns: (request) => [
      ['Key', ({ kid }) => <code>{kid}</code>],
      ['Algorithm', ({ alg }) => alg],
      ['Signs', ({ alg }) => SIGNS[alg]],
      ['State', ({ state }) => <span class={KEY[state].tag}>{KEY[state].words}</span>],
      ['Kept in', (key) => (key.privateSealed === null ? 'a file' : 'the store, sealed')],
      timeColumn(request, 'Created', ({ createdAt }) => ms(createdAt)),
      timeColumn(request, 'Signs since', ({ activatedAt }) => ms(activatedAt)),
      timeColumn(request, 'Published until', ({ retireAt }) => ms(retireAt)),
      isAdministrator(request) && [
        'Retire',
        (key) =>
          isRetirable(key) ? (
            <a
              href={linkOf('/ops/keys/retire', { kid: key.kid })}
              aria-label={`${KEYS.retire}: ${key.kid}`}
            >
              {KEYS.retire}
            </a>
          ) : (
            ''
          ),
        false,
      ],
    ],
    none: 'No key exists.',
    all: ({ deps }) => deps.keys.list(),
    idOf: ({ kid }) => kid,
    above: async (request) => (
      <>
        <Done request={request} results={DONE} />
        {await webhookPanel(request)}
      </>
    ),
    below: (request) => <Rotation request={request} />,
  }),
  actAt('/keys/rotate', rotate, { at: AT }),
  actAt('/keys/retire', retire, { at: AT }),
]
