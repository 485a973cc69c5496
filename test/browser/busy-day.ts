import { requestRevocation } from '../../src/revocation/revoke.ts'
import { attempted } from '../console/console.ts'
import type { Rig } from '../rig.ts'

/** Names of users for a console with data. */

const NAMES = [
  'Carol Chen',
  'Dave Doyle',
  'Erin Ellis',
  'Farid Farouk',
  'Grace Green',
  'Hugo Hill',
  'Ines Ito',
  'Jack Jones',
]

/**
 * Fills a rig as on a busy day: deliveries delivered, pending and failed, and a guard that lags.
 * @returns a user's live session
 */
export async function busyDay(site: Rig): Promise<string> {
  const sydney = await site.register('Sydney', {
    logoutUris: ['https://sydney.case-manager.example/oidc/backchannel-logout'],
  })
  const melbourne = await site.register('Melbourne')
  await site.register('Perth', { logoutUris: [] })
  const { epoch } = await site.store.head()
  const guard = (clientId: string, guardId: string, enforcedSeq: number) =>
    site.store.recordEnforced({
      clientId,
      guardId,
      epoch,
      enforcedSeq,
      reportedAtMs: site.clock.nowMs(),
    })
  await guard('sydney', 'sydney-1', 0)
  await guard('sydney', 'sydney-2', 0)
  const client = site.clients.find('sydney')
  if (client !== undefined)
    for (const guardId of ['sydney-1', 'sydney-2'])
      site.feed.open({ client, guardId, retiredKids: [] })
  const states = { sydney: 'closed', melbourne: 'open' } as const
  const targets = (await site.store.listTargets()).map(({ targetId, clientId }) => {
    const breaker = states[clientId as keyof typeof states]
    return { targetId, breaker, failuresInARow: breaker === 'open' ? 7 : 0, waiting: 0, running: 0 }
  })
  site.queue.targets = () => targets as never
  site.queue.jobs = async () => ({ waiting: 0, active: 0, delayed: 1, failed: 0 })
  let live = ''
  for (const [index, name] of NAMES.entries()) {
    const oid = `00000000-0000-4000-8000-0000000001${String(index).padStart(2, '0')}`
    const { session } = await site.openSession({
      user: { oid, name, username: `${name.split(' ')[0]?.toLowerCase()}@contoso.example` },
      device: index % 2 === 0 ? 'Safari on iPhone' : 'Edge on Windows',
    })
    await site.signInAt(session.sid, sydney)
    await site.signInAt(session.sid, melbourne)
    if (index === NAMES.length - 1) {
      live = session.sid
      break
    }
    const by = { actor: { kind: 'user', id: session.sub }, now: site.clock.now() } as const
    await requestRevocation(site.deps, {
      selector: { kind: 'session', sid: session.sid },
      reason: index === 3 ? 'microsoft_account_disabled' : 'signed_out',
      ...by,
    })
    const seq = index + 1
    site.clock.advance(0.004 + index * 0.003)
    for (const delivery of await site.store.listDeliveries({ seq, limit: 5 })) {
      if (index < 5 || delivery.clientId === 'sydney')
        await attempted(site, delivery.id, 'delivered')
      else if (index === 5) await attempted(site, delivery.id, 'failed')
    }
    await guard('sydney', 'sydney-1', seq)
    if (index < 4) await guard('sydney', 'sydney-2', seq)
    site.clock.advance(40)
  }
  return live
}
