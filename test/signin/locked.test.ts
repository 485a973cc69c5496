import { expect, test } from 'vitest'
import type { Actor } from '../../src/protocol/revocation.ts'
import { browserAt } from '../browser.ts'
import { createRig, OTHER_TENANT, type Rig } from '../rig.ts'
import { authorizePath, createBrowser, signIn } from './browser.ts'

/**
 * A user who is locked reads who locked them and until when, at each sign-in, and that they may
 * sign in again once the lock is over.
 */

const HOUR = 3600
const OPERATOR: Actor = { kind: 'operator', id: 'olga' }

async function lockUser(rig: Rig, actor: Actor, endsAt: number | undefined): Promise<string> {
  const { tid, oid } = rig.microsoft.user
  const answer = await rig.store.lock({
    target: { kind: 'user', tid, oid },
    actor,
    may: 'administer',
    operatorTenant: undefined,
    endsAt,
    now: rig.clock.now(),
  })
  return answer.outcome === 'locked' ? answer.lock.id : expect.unreachable()
}

test('a sign-in says that the customer’s administrator locked the user, and when the lock ends', async () => {
  const rig = await createRig({ env: { BROKER_OPERATOR_TENANT: OTHER_TENANT } })
  const sydney = await rig.register('Sydney')
  const administrator = await rig.openSession({ user: { ...rig.microsoft.user, oid: 'admin' } })
  const own: Actor = {
    kind: 'operator',
    id: administrator.session.sub,
    tid: rig.microsoft.user.tid,
  }
  await lockUser(rig, own, rig.clock.now() + HOUR)
  const { text } = await signIn(rig, createBrowser(rig), authorizePath(sydney))
  expect(text).toContain('Your access to Case Manager is locked')
  expect(text).toMatch(
    /Your IT administrator locked it\. The lock ends .*24 November.*Then sign in/,
  )
})

test('a lock of an operator is not said to be the organization’s, and has no end where it has none', async () => {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  await lockUser(rig, OPERATOR, undefined)
  const { text } = await signIn(rig, createBrowser(rig), authorizePath(sydney))
  expect(text).toContain('The operator of Case Manager locked it, and not your organization.')
  expect(text).toContain('It stays locked until it is unlocked.')
})

test('a lock of an operator with an account in the operators’ tenant is the operator’s, as that tenant has no administrators', async () => {
  const rig = await createRig()
  expect(rig.deps.connection.current().operatorTenant).toBe(rig.microsoft.user.tid)
  const sydney = await rig.register('Sydney')
  const olivia = await rig.openSession({ user: { ...rig.microsoft.user, oid: 'olivia' } })
  await lockUser(rig, { kind: 'operator', id: olivia.session.sub }, undefined)
  const { text } = await signIn(rig, createBrowser(rig), authorizePath(sydney))
  expect(text).toContain('The operator of Case Manager locked it')
})

test('in the browser whose session a lock ended, the page of the lock comes before Microsoft’s; after it, the sign-in page says that access is open again', async () => {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const { cookieHeader } = await rig.openSession()
  const browser = browserAt(rig, { cookies: cookieHeader, follows: () => false })
  const id = await lockUser(rig, OPERATOR, rig.clock.now() + HOUR)
  const locked = await browser.get(authorizePath(sydney))
  expect(locked.text).toContain('Your access to Case Manager is locked')
  expect(locked.text).toContain('The lock ends')
  expect(locked.text).not.toContain('Sign in with Microsoft')
  await rig.store.liftLock({ id, actor: OPERATOR, now: rig.clock.now() })
  const lifted = await browser.get(authorizePath(sydney))
  expect(lifted.text).toContain(
    'Your access to Case Manager was locked, so you were signed out. Your access is open again.',
  )
  expect(lifted.text).toContain('Sign in with Microsoft')
})

test('of several locks the one that keeps the user out the longest is named', async () => {
  const rig = await createRig()
  const sydney = await rig.register('Sydney')
  const now = rig.clock.now()
  await lockUser(rig, OPERATOR, now + HOUR)
  const { tid } = rig.microsoft.user
  await rig.store.lock({
    target: { kind: 'tenant', tid },
    actor: OPERATOR,
    may: 'administer',
    operatorTenant: undefined,
    endsAt: undefined,
    now,
  })
  const { text } = await signIn(rig, createBrowser(rig), authorizePath(sydney))
  expect(text).toContain('It stays locked until it is unlocked.')
})
