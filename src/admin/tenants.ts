import { Hono } from 'hono'
import { z } from 'zod'
import type { TenantRow } from '../../db/types.ts'
import type { Deps } from '../deps.ts'
import { resumeProbe } from '../microsoft/probe-pause.ts'
import { appManifest } from '../microsoft/registration.ts'
import { connectTenant, disconnectTenant, readTenantId, UNDECIDED } from '../microsoft/tenants.ts'
import { MFA_PROOF_EXPECTED, parseMfaProof } from '../protocol/mfa-proof.ts'
import { newSetupToken } from '../session/setup-token.ts'
import { jsonBody, shaped } from './body.ts'
import { callerOf, type AdminEnv } from './caller.ts'
import { Problem } from '../acts/problem.ts'
import { recorded } from '../acts/recorded.ts'

/** The connection to Microsoft, as operators work on it without a page: tenants, the token of the first visit to /setup, the app registration's manifest. */

const addition = z.strictObject({
  tid: z.string(),
  name: z.string().trim().min(1).max(100).optional(),
  mfa_proof: z
    .string()
    .refine((value) => parseMfaProof(value) !== undefined, MFA_PROOF_EXPECTED)
    .optional(),
})

export function tenantRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  routes.get('/tenants', async (c) => {
    callerOf(c, 'operate')
    const { operatorTenant } = deps.connection.current()
    const rows = await deps.store.listTenants()
    return c.json({ tenants: rows.map((row) => shown(row, operatorTenant)), differences: deps.connection.differences() })
  })
  routes.post('/tenants', async (c) => {
    const caller = callerOf(c, 'administer')
    const { tid: given, name, mfa_proof: proof } = shaped(addition, await jsonBody(c))
    const read = readTenantId(given)
    if ('problem' in read) throw new Problem(422, 'Not a tenant that can be connected', read.problem)
    const { tid } = read
    const now = deps.clock.now()
    const about = { act: 'tenant.add', target: `tenant ${tid}`, details: { name, mfa_proof: proof ?? UNDECIDED } }
    await recorded(deps, caller, about, async () => {
      if ((await connectTenant(deps, { tid, name, proof, actor: caller.actor, now })) === 'already')
        throw new Problem(
          409,
          'Connected already',
          `${tid} is connected; GET /admin/v1/tenants (cmb tenants) shows it. Its proof of MFA is changed at /setup.`,
        )
    })
    const row = await deps.store.findTenant(tid)
    if (row === undefined) throw new Error('The tenant that was just connected is not there.')
    return c.json(shown(row, deps.connection.current().operatorTenant), 201)
  })
  routes.delete('/tenants/:tid', async (c) => {
    const caller = callerOf(c, 'administer')
    const tid = c.req.param('tid').toLowerCase()
    const removed = await recorded(
      deps,
      caller,
      { act: 'tenant.remove', target: `tenant ${tid}` },
      async () => {
        const answer = await disconnectTenant(deps, { tid, actor: caller.actor, now: deps.clock.now() })
        if (answer.outcome === 'unknown')
          throw new Problem(404, 'No such tenant', `${tid} is not connected; GET /admin/v1/tenants (cmb tenants) lists those that are.`)
        return answer
      },
      ({ seq }) => ({ seq }),
    )
    return c.json({ tid, removed: true, seq: removed.seq })
  })
  routes.post('/tenants/:tid/probe/resume', async (c) => {
    const caller = callerOf(c, 'operate')
    const tid = c.req.param('tid').toLowerCase()
    await recorded(deps, caller, { act: 'tenant.resume_probe', target: `tenant ${tid}` }, async () => {
      if (!(await resumeProbe(deps.store, tid)))
        throw new Problem(404, 'Not paused', `The probe of ${tid} is not paused; GET /admin/v1/status (cmb status) says whose is.`)
    })
    return c.json({ tid, resumed: true })
  })
  routes.post('/setup/token', async (c) => {
    const caller = callerOf(c, 'administer')
    // Only from the machine itself: a client of the admin API has no business at the first visit.
    if (caller.via !== 'command') throw new Problem(403, 'Only on the broker’s own machine', 'Run cmb setup there.')
    const made = await recorded(deps, caller, { act: 'setup.token' }, async () => {
      const token = await newSetupToken(deps, deps.clock.now())
      if (token === undefined)
        throw new Problem(
          409,
          'There is an administrator already',
          `Sign in at ${deps.config.opsOrigin}/setup with the app role Broker.Administrator.`,
        )
      return token
    })
    return c.json({ token: made.token, expires_at: made.expiresAt, url: `${deps.config.opsOrigin}/setup` }, 201)
  })
  routes.get('/entra/manifest', (c) => {
    callerOf(c, 'operate')
    return c.json(appManifest(deps.config.issuer, { several: c.req.query('tenants') === 'several' }))
  })
  return routes
}

function shown(row: TenantRow, operatorTenant: string | undefined): Record<string, unknown> {
  return {
    tid: row.tid,
    name: row.name ?? null,
    mfa_proof: row.mfaProof,
    allowed: row.removedAt === undefined,
    operators: row.tid === operatorTenant,
    proof_asserted_by: row.proofAssertedBy ?? null,
    proof_asserted_at: row.proofAssertedAt ?? null,
    consent_confirmed_by: row.consentConfirmedBy ?? null,
    consent_confirmed_at: row.consentConfirmedAt ?? null,
    connected_at: row.connectedAt,
    removed_at: row.removedAt ?? null,
  }
}
