import { expect, test } from 'vitest'
import { CONTOSO } from '../../demo/entra/users.ts'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { type FederatedDomain, type Graph, GraphProblem } from '../../src/microsoft/interface.ts'
import { createRig, TENANT } from '../rig.ts'
import { APP_CLIENT_ID } from '../setup/world.ts'
import { openWorld } from '../signal/world.ts'

test('the check names the federated domains whose users may come back without their password', async () => {
  const rig = await createRig()
  const look = async (graphRoles: string[], answer: () => FederatedDomain[]) => {
    rig.microsoft.examined = {
      metadata: { ok: true, skewSeconds: 0 },
      authorize: { ok: true },
      credential: { ok: true, graphRoles },
    }
    rig.microsoft.graph = { federatedDomains: async () => answer() } as unknown as Graph
    const found = await createChecks(rig.deps).look({
      fresh: true,
      which: ({ id }) => id === 'federated-domains',
    })
    return found.filter(({ tid }) => tid === TENANT)
  }
  const granted = ['Domain.Read.All']
  const [silent, asked, odd] = [
    { domain: 'a.example', promptLogin: 'ignored' },
    { domain: 'b.example', promptLogin: 'asked' },
    { domain: 'c.example', promptLogin: 'unknown' },
  ] as const
  const seen = async (...found: FederatedDomain[]) =>
    (await look(granted, () => found)).map((finding) => [
      finding.tid,
      finding.state,
      finding.found.split(':')[0],
    ])

  expect(await look(['User.Read.All'], () => [silent])).toMatchObject([
    {
      state: 'unknown',
      found: 'The application does not hold Domain.Read.All.',
      fix: expect.stringContaining('grant consent'),
    },
  ])
  expect(await seen()).toEqual([[TENANT, 'ok', 'No domain of the tenant is federated']])
  expect(await seen(asked)).toEqual([[TENANT, 'ok', 'b.example']])
  expect(await seen(asked, odd)).toEqual([[TENANT, 'warning', 'c.example']])
  expect(await seen(silent, asked, odd)).toEqual([[TENANT, 'warning', 'a.example']])
  const down = () => {
    throw new GraphProblem('outage', 'Graph did not answer.')
  }
  expect(await look(granted, down)).toMatchObject([
    { state: 'unknown', found: 'Not known: Graph did not answer.' },
  ])
})

test('Graph says which domains are federated, and that one ignores prompt=login; without Domain.Read.All it says nothing', async () => {
  const { entra, rig } = await openWorld({ graph: true })
  const read = () => rig.deps.microsoft.graph.federatedDomains(TENANT)
  entra.set({ silentDomains: [CONTOSO.domain] })
  await expect(read()).rejects.toMatchObject({ name: 'GraphProblem', kind: 'forbidden' })
  // A token has the roles of the time at which it was issued.
  rig.clock.advance(3600)
  entra.world.apps.get(APP_CLIENT_ID)?.graphRoles.push('Domain.Read.All')
  expect(await read()).toEqual([{ domain: CONTOSO.domain, promptLogin: 'ignored' }])
  entra.set({ silentDomains: [], federatedDomains: [CONTOSO.domain] })
  expect(await read()).toEqual([{ domain: CONTOSO.domain, promptLogin: 'asked' }])
  entra.set({ federatedDomains: [] })
  expect(await read()).toEqual([])
})
