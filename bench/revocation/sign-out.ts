import { createGuard, type Guard } from '@case-manager/guard'
import { Pool } from 'undici'
import { startChild } from '../servers/child.ts'
import { preciseMs, spread, type Spread } from '../machine/machine.ts'
import type { Receivers } from '../clients/receivers.ts'
import { waitFor, type Stage } from '../servers/stage.ts'

/**
 * Signs out one session with many instances through the page. It measures how long the user waits
 * for the answer, and the time from the commit until the last instance has answered and the last
 * guard rejects.
 */

export interface SignOuts {
  waited: Spread
  lastDelivered: Spread
  lastGuard: Spread | undefined
}

const TENANT = '11111111-1111-4111-8111-111111111111'

/**
 * Signs users out one by one, and measures the time to the last instance and the last guard.
 * @param deaf instances that hang or reject connections, which get nothing
 */
export async function signOuts(parts: {
  stage: Stage
  receivers: Receivers
  clients: string[]
  guards: Guard[]
  rounds: number
  deaf?: readonly number[]
}): Promise<SignOuts> {
  const { stage, receivers, clients, guards, rounds, deaf = [] } = parts
  const [waited, lastDelivered, lastGuard]: [number[], number[], number[]] = [[], [], []]
  const [first = ''] = clients
  for (let round = 0; round < rounds; round++) {
    // One session at a time: a guard reports at most once a second, and a code is valid for a
    // minute.
    const [session] = (await stage.ask('sessions', { count: 1, clients, tid: TENANT, codes: true }))
      .sessions
    if (session === undefined) throw new Error('The broker opened no session.')
    const { access_token: token } = await stage.exchange(session, first)
    const delivered: number[] = []
    let seq = 0
    receivers.onArrival((_instance, arrival) => {
      if (arrival.sid !== session.sid) return
      seq = arrival.rev
      delivered.push(arrival.atMs)
    })
    const rejecting = Promise.all(guards.map((guard) => rejects(guard, session.sid)))
    const form = await signOutForm(stage, session.cookie)
    const from = preciseMs()
    await confirm(stage, form)
    waited.push(preciseMs() - from)
    await waitFor(
      'the delivery to every instance',
      () => delivered.length >= clients.length - deaf.length,
      60,
    )
    const rejected = await rejecting
    const committedMs =
      (await stage.ask('committed', { limit: 20 })).atMs[String(seq)] ?? Number.NaN
    lastDelivered.push(Math.max(...delivered) - committedMs)
    if (guards.length > 0) {
      lastGuard.push(Math.max(...rejected) - committedMs)
      const { ok } = (await guards[0]?.check(token)) ?? { ok: true }
      if (ok) throw new Error('A guard says that it knows, and honours the token all the same.')
    }
    // The guards' own reports are part of the work, so the next round starts after them.
    await waitFor(
      'every guard to have reported',
      () => guards.every((guard) => (guard.status().reportedSeq ?? 0) >= seq),
      60,
    )
  }
  return {
    waited: spread(waited),
    lastDelivered: spread(lastDelivered),
    lastGuard: guards.length > 0 ? spread(lastGuard) : undefined,
  }
}

/** Returns when the guard starts to reject the session's tokens. */
function rejects(guard: Guard, sid: string): Promise<number> {
  return new Promise((done) => {
    const stop = guard.onRevocation(({ selector }) => {
      if (selector.kind !== 'session' || selector.sid !== sid) return
      stop()
      done(preciseMs())
    })
  })
}

interface Form {
  cookie: string
  body: string
}

async function signOutForm({ pool }: Stage, session: string): Promise<Form> {
  const cookie = `__Host-cmb_session=${session}`
  const answer = await pool.request({ path: '/logout', method: 'GET', headers: { cookie } })
  const html = await answer.body.text()
  const form = new URLSearchParams({ scope: 'device' })
  for (const [tag] of html.matchAll(/<input\b[^>]*type="hidden"[^>]*>/g)) {
    const [name, value] = ['name', 'value'].map(
      (attribute) => new RegExp(`\\s${attribute}="([^"]*)"`).exec(tag)?.[1] ?? '',
    )
    form.set(name ?? '', value ?? '')
  }
  const set = [answer.headers['set-cookie'] ?? []].flat().map((line) => line.split(';')[0])
  if (answer.statusCode !== 200 || form.size < 2)
    throw new Error(`The sign-out page answered ${answer.statusCode}.`)
  return { cookie: [cookie, ...set].join('; '), body: form.toString() }
}

async function confirm({ pool }: Stage, { cookie, body }: Form): Promise<void> {
  const headers = { cookie, 'content-type': 'application/x-www-form-urlencoded' }
  const answer = await pool.request({ path: '/logout/confirm', method: 'POST', headers, body })
  await answer.body.dump()
  if (answer.statusCode !== 303)
    throw new Error(`The sign-out was answered with ${answer.statusCode}.`)
}

/**
 * Starts a guard for each client.
 * @param stage the broker at which the clients are registered
 * @param at the broker that the guards follow
 */
export async function startGuards(
  stage: Stage,
  clients: readonly string[],
  at = stage,
): Promise<Guard[]> {
  const guards = clients.map((clientId) =>
    createGuard({
      issuer: at.url,
      clientId,
      clientSecret: stage.secret(clientId),
      audience: `urn:bench:${clientId}`,
      guardId: 'bench',
    }),
  )
  await Promise.all(guards.map((guard) => guard.start()))
  return guards
}

/** Measures the same sign-outs at the server that stores nothing and sends within the request. */
export async function inlineSignOuts(parts: {
  core: string | undefined
  receivers: Receivers
  count: number
  rounds: number
  alg: 'ES256' | 'RS256'
  deaf?: readonly number[]
}): Promise<Omit<SignOuts, 'lastGuard'>> {
  const { core, receivers, count, rounds, alg, deaf = [] } = parts
  const child = await startChild(core, 'revocation/inline-server')
  const pool = new Pool(`http://127.0.0.1:${String(child.ready.port)}`)
  await child.ask('instances', { uris: receivers.uris.slice(0, count), alg })
  const [waited, lastDelivered]: [number[], number[]] = [[], []]
  for (let round = 0; round < rounds; round++) {
    const delivered: number[] = []
    receivers.onArrival((_instance, { rev, atMs }) => {
      if (rev === round) delivered.push(atMs)
    })
    const from = preciseMs()
    const answer = await pool.request({
      path: `/sign-out?sid=s_${round}&rev=${round}`,
      method: 'POST',
    })
    await answer.body.dump()
    waited.push(preciseMs() - from)
    await waitFor(
      'the delivery to every instance',
      () => delivered.length >= count - deaf.length,
      60,
    )
    lastDelivered.push(Math.max(...delivered) - from)
  }
  await pool.close()
  await child.stop()
  return { waited: spread(waited), lastDelivered: spread(lastDelivered) }
}
