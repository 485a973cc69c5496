import type { Child } from 'hono/jsx'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'

/** The advice to operators while no sign-in at Microsoft succeeds. */

const ASKED: readonly string[] = ['microsoft', 'credential']

/** Returns the advice, or undefined while operators can sign in. */
export async function withoutMicrosoft(
  { connection }: Pick<Deps, 'connection'>,
  checks: Checks | undefined,
): Promise<Child | undefined> {
  const { operatorTenant } = connection.current()
  const found = await checks?.look({ which: ({ id }) => ASKED.includes(id) })
  if (!found?.some(({ state, tid }) => state === 'failed' && tid === operatorTenant))
    return undefined
  return (
    <>
      <strong>Sign-ins at Microsoft fail at the moment.</strong> On the broker’s machine, its user
      and root act without one: <code>cmb revoke --user NAME</code>,{' '}
      <code>cmb lock user --user NAME</code>, <code>cmb deliveries close</code>.{' '}
      <code>cmb status</code> says what is wrong.
    </>
  )
}
