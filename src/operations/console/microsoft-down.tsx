import type { Child } from 'hono/jsx'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { advice } from './texts/microsoft-down.tsx'

/** The advice to operators while no sign-in at Microsoft succeeds. */

const ASKED: readonly string[] = ['microsoft', 'credential']
/** An operator who comes because of an outage must not read a result from before it. */
const FRESH_SECONDS = 3

/** The form or the page for which a sign-in is needed: its path in the console, and its members. */
interface Wanted {
  path: string
  members: URLSearchParams
}

/**
 * Returns the advice, or undefined while operators can sign in.
 * @param wanted the act that needs the sign-in: the advice has the command that does the same
 */
export async function withoutMicrosoft(
  { connection }: Pick<Deps, 'connection'>,
  checks: Checks | undefined,
  wanted?: Wanted,
): Promise<Child | undefined> {
  const { operatorTenant } = connection.current()
  const found = await checks?.look({
    which: ({ id }) => ASKED.includes(id),
    atMostSeconds: FRESH_SECONDS,
  })
  if (!found?.some(({ state, tid }) => state === 'failed' && tid === operatorTenant))
    return undefined
  const same = wanted === undefined ? [] : commandsOf(wanted)
  return advice(same)
}

/** An id that needs no quotes in a shell. The address of a page may hold any text. */
const ID = /^[\w.:-]{1,200}$/

/** Returns the commands that do the same as a page of the console. Empty: it has none. */
export function commandsOf({ path, members }: Wanted): string[] {
  const of = (name: string): string => members.get(name) ?? ''
  const [, user = ''] = /^\/users\/([^/]+)$/.exec(path) ?? []
  if (user !== '') return filled(['cmb revoke --subject', user], ['cmb lock user --subject', user])
  switch (path) {
    case '/revoke':
      return revoking(of('kind'), of('value'), of('client'), members.getAll('user'))
    case '/lock':
      return filled(
        ['cmb lock user --subject', of('user')],
        ['cmb lock client', of('client')],
        ['cmb lock tenant', of('tenant')],
      )
    case '/locks/lift':
      return filled(['cmb unlock', of('id')])
    case '/problems/hide':
      return filled(['cmb hide', of('id')])
    case '/deliveries/close': {
      const [kind = '', id = ''] = of('which').split(' ')
      const option = { id: '', target_id: ' --target', client_id: ' --client' }[kind]
      return option === undefined ? [] : filled([`cmb deliveries close --reason "…"${option}`, id])
    }
    default:
      return []
  }
}

function revoking(kind: string, value: string, client: string, users: string[]): string[] {
  if (kind === 'everything') return ['cmb revoke --everything']
  if (kind === 'users') return filled(...users.map((sub) => ['cmb revoke --subject', sub] as const))
  if (kind === 'client') return filled(['cmb revoke --client', client])
  if (kind === 'grant')
    return filled([`cmb revoke --client ${ID.test(client) ? client : 'CLIENT'} --grant`, value])
  return ['session', 'subject', 'tenant'].includes(kind)
    ? filled([`cmb revoke --${kind}`, value])
    : []
}

const filled = (...commands: (readonly [command: string, id: string])[]): string[] =>
  commands.filter(([, id]) => ID.test(id)).map((words) => words.join(' '))
