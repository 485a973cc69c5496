import { Hono } from 'hono'
import { z } from 'zod'
import type { Tenant } from '../../../db/types.ts'
import type { Deps } from '../deps.ts'
import { probePause, resumeProbe } from '../../microsoft/probe-pause.ts'
import { appManifest } from '../../microsoft/registration.ts'
import {
  connectTenant,
  disconnectTenant,
  MAX_AUTHENTICATION,
  readTenantId,
  tenantBefore,
  tenantSettings,
  tenantState,
  UNDECIDED,
} from '../../microsoft/tenants.ts'
import { changes } from '../../protocol/changes.ts'
import { MFA_PROOF_EXPECTED, parseMfaProof } from '../../protocol/mfa-proof.ts'
import { seconds } from '../../protocol/described.ts'
import { ADMINISTRATORS, ADMINISTRATORS_EXPECTED, isAdministratorsSetting } from '../../protocol/tenant-administrators.ts'
import type { AdminEnv } from './caller.ts'
import { dryRun, dryRunOfChange, dryRunShown } from './preview.ts'
import { ok, route, shape } from './route.ts'
import { setupTokens } from './setup-tokens.ts'
import { Problem } from '../../clients/problem.ts'
import { recorded } from '../../clients/with-audit.ts'
import { previewedAge } from '../acts/revocations.ts'
import { storedText } from '../../protocol/stored-text.ts'

/** The connection to Microsoft, as operators work on it without a page: tenants and the app registration's manifest. */

const addition = z.strictObject({
  tid: storedText().max(64),
  name: storedText().trim().min(1).max(100).optional(),
  mfa_proof: storedText()
    .refine((value) => parseMfaProof(value) !== undefined, MFA_PROOF_EXPECTED)
    .optional(),
})

const { least, most } = MAX_AUTHENTICATION
const change = z.strictObject({
  max_authentication_age: z
    .int(`a whole number of seconds from ${least} to ${most}, or null`)
    .min(least, `at least ${least}`)
    .max(most, `at most ${most}`)
    .nullable()
    .optional()
    .meta({ description: 'sessions of its users end when their authentication at Microsoft is so many seconds old; null: no limit of its own' }),
  administrators: z
    .string()
    .regex(ADMINISTRATORS, ADMINISTRATORS_EXPECTED)
    .refine(isAdministratorsSetting, ADMINISTRATORS_EXPECTED)
    .nullable()
    .optional()
    .meta({ description: `who administers the tenant’s users at the console: ${ADMINISTRATORS_EXPECTED}; null: no user of the tenant` }),
  dry_run: dryRun,
})

const tenant = shape('Tenant', {
  tid: z.string(),
  name: z.string().nullable(),
  mfa_proof: z.string().meta({ description: 'auth_context:c1 (to c25), amr, conditional_access; or undecided: then no user of it can sign in' }),
  allowed: z.boolean(),
  max_authentication_age: z.int().nullable().meta({ description: 'in seconds; the broker’s own limit counts beside it' }),
  administrators: z
    .string()
    .nullable()
    .meta({ description: 'app_role, or directory_role: with its template id; null: no user of it administers it' }),
  operators: z.boolean().meta({ description: 'the tenant whose app roles make operators' }),
  proof_asserted_by: z.string().nullable(),
  proof_asserted_at: seconds.nullable(),
  consent_confirmed_by: z.string().nullable(),
  consent_confirmed_at: seconds.nullable(),
  connected_at: seconds,
  removed_at: seconds.nullable(),
})
const one = z.strictObject({ tid: storedText().max(64).toLowerCase() })
const LIST = {
  id: 'listTenants',
  summary: 'Lists Microsoft tenants',
  may: 'operate' as const,
  answers: {
    200: ok(
      'All of them.',
      z.object({
        tenants: z.array(tenant),
        differences: z.array(z.string()).meta({ description: 'where the settings differ from the store, which counts' }),
      }),
    ),
  },
}
const ADD = {
  id: 'addTenant',
  summary: 'Connects a tenant',
  may: 'administer' as const,
  body: addition,
  answers: { 201: ok('Connected.', tenant) },
  rejects: [409, 422] as const,
}
const CHANGE = {
  id: 'changeTenant',
  summary: 'Changes a tenant’s limit on the age of an authentication, or who administers its users; what is left out stays',
  may: 'administer' as const,
  params: one,
  body: change,
  answers: { 200: ok('A dry run, or changed.', z.union([dryRunOfChange, tenant])) },
  rejects: [404, 409, 422] as const,
}
const REMOVE = {
  id: 'removeTenant',
  summary: 'Disconnects a tenant and revokes its users’ sessions',
  may: 'administer' as const,
  params: one,
  answers: { 200: ok('Disconnected.', z.object({ tid: z.string(), removed: z.literal(true), seq: z.int() })) },
  rejects: [404, 409] as const,
}
const RESUME = {
  id: 'resumeProbe',
  summary: 'Resumes the probe of a tenant that its alarm paused',
  may: 'operate' as const,
  params: one,
  answers: { 200: ok('Resumed.', z.object({ tid: z.string(), resumed: z.literal(true) })) },
  rejects: [404] as const,
}
const MANIFEST = {
  id: 'readManifest',
  summary: 'Shows the manifest of the app registration that Entra needs',
  may: 'operate' as const,
  query: z.strictObject({ tenants: z.literal('several').optional().meta({ description: 'for users of more than one tenant' }) }),
  answers: { 200: ok('The manifest.', z.looseObject({})) },
}

export function tenantRoutes(deps: Deps): Hono<AdminEnv> {
  const routes = new Hono<AdminEnv>()
  connecting(routes, deps)
  changing(routes, deps)
  disconnecting(routes, deps)
  resuming(routes, deps)
  setupTokens(routes, deps)
  manifest(routes, deps)
  return routes
}

function connecting(routes: Hono<AdminEnv>, deps: Deps): void {
  route(routes, 'get', '/tenants', LIST, async (_, c) => {
    const { operatorTenant } = deps.connection.current()
    const rows = await deps.store.listTenants()
    return c.json({ tenants: rows.map((row) => shown(row, operatorTenant)), differences: deps.connection.differences() })
  })
  route(routes, 'post', '/tenants', ADD, async ({ caller, body: { tid: given, name, mfa_proof: proof } }, c) => {
    const read = readTenantId(given)
    if ('problem' in read) throw new Problem(422, 'The tenant cannot be connected', read.problem)
    const { tid } = read
    const now = deps.clock.now()
    const about = { act: 'tenant.add', target: `tenant ${tid}`, details: { name, mfa_proof: proof ?? UNDECIDED } }
    const before = tenantState(await deps.store.findTenant(tid))
    const connect = async (): Promise<Tenant> => {
      if ((await connectTenant(deps, { tid, name, proof, actor: caller.actor, now })) === 'already')
        throw new Problem(
          409,
          'Already connected',
          `${tid} is connected; GET /admin/v1/tenants (cmb tenants) shows it. Its proof of MFA is changed at /setup.`,
        )
      const connected = await deps.store.findTenant(tid)
      if (connected === undefined) throw new Error('The tenant that was just connected is not there.')
      return connected
    }
    const row = await recorded(deps, caller, about, connect, (after) => ({ changed: changes(before, tenantState(after)) }))
    return c.json(shown(row, deps.connection.current().operatorTenant), 201)
  })
}

function changing(routes: Hono<AdminEnv>, deps: Deps): void {
  route(routes, 'patch', '/tenants/:tid', CHANGE, async ({ caller, params: { tid }, body }, c) => {
    const change = {
      ...(body.max_authentication_age !== undefined && { maxAuthenticationSeconds: body.max_authentication_age ?? undefined }),
      ...(body.administrators !== undefined && { administrators: body.administrators ?? undefined }),
    }
    const before = await deps.store.findTenant(tid)
    if (body.dry_run) {
      if (before === undefined || before.removedAt !== undefined) throw NOT_CONNECTED(tid)
      mayHaveAdministrators(deps, tid, change.administrators)
      const end = await previewedAge(deps, { kind: 'tenant', tid }, change.maxAuthenticationSeconds, deps.clock.now())
      return c.json(await dryRunShown(deps, end))
    }
    const changed = changes(tenantSettings(before), tenantSettings({ ...before, ...change }))
    const row = await recorded(deps, caller, { act: 'tenant.change', target: `tenant ${tid}`, details: { changed } }, async () => {
      mayHaveAdministrators(deps, tid, change.administrators)
      const done = await deps.store.changeTenant({ tid, change })
      const after = done ? await deps.store.findTenant(tid) : undefined
      if (after === undefined) throw NOT_CONNECTED(tid)
      return after
    })
    return c.json(shown(row, deps.connection.current().operatorTenant))
  })
}

const NOT_CONNECTED = (tid: string): Problem =>
  new Problem(404, 'No such tenant', `${tid} is not connected; GET /admin/v1/tenants (cmb tenants) lists those that are.`)

/** @throws Problem 409: the app roles of operators count there, and no other */
function mayHaveAdministrators({ connection }: Deps, tid: string, administrators: string | undefined): void {
  if (administrators !== undefined && tid === connection.current().operatorTenant)
    throw new Problem(
      409,
      'This is the operator tenant',
      'Its users are administered by operators: assign Broker.Operator or Broker.Administrator there.',
    )
}

function disconnecting(routes: Hono<AdminEnv>, deps: Deps): void {
  route(routes, 'delete', '/tenants/:tid', REMOVE, async ({ caller, params: { tid } }, c) => {
    const details = tenantBefore(await deps.store.findTenant(tid))
    const removed = await recorded(
      deps,
      caller,
      { act: 'tenant.remove', target: `tenant ${tid}`, details },
      async () => {
        if (deps.connection.current().operatorTenant === tid)
          throw new Problem(
            409,
            'The operator tenant cannot be removed',
            `No administrator could sign in without it. First choose another operator tenant at ${deps.config.opsOrigin}/setup.`,
          )
        const answer = await disconnectTenant(deps, { tid, actor: caller.actor, now: deps.clock.now() })
        if (answer.outcome === 'unknown') throw NOT_CONNECTED(tid)
        return answer
      },
      ({ seq }) => ({ seq }),
    )
    return c.json({ tid, removed: true, seq: removed.seq })
  })
}

function resuming(routes: Hono<AdminEnv>, deps: Deps): void {
  route(routes, 'post', '/tenants/:tid/probe/resume', RESUME, async ({ caller, params: { tid } }, c) => {
    const paused = await probePause(deps.store, tid)
    const before = paused === undefined ? {} : { paused: { at: paused.at, code: paused.code ?? null } }
    const about = { act: 'tenant.resume_probe', target: `tenant ${tid}`, details: { changed: changes(before, {}) } }
    await recorded(deps, caller, about, async () => {
      if (!(await resumeProbe(deps.store, tid)))
        throw new Problem(404, 'Not paused', `The probe of ${tid} is not paused; GET /admin/v1/status (cmb status) names the paused ones.`)
    })
    return c.json({ tid, resumed: true })
  })
}

function manifest(routes: Hono<AdminEnv>, deps: Deps): void {
  route(routes, 'get', '/entra/manifest', MANIFEST, ({ query }, c) =>
    c.json(appManifest(deps.config.issuer, { several: query.tenants === 'several' })),
  )
}

function shown(row: Tenant, operatorTenant: string | undefined): Record<string, unknown> {
  return {
    tid: row.tid,
    name: row.name ?? null,
    mfa_proof: row.mfaProof,
    allowed: row.removedAt === undefined,
    max_authentication_age: row.maxAuthenticationSeconds ?? null,
    administrators: row.administrators ?? null,
    operators: row.tid === operatorTenant,
    proof_asserted_by: row.proofAssertedBy ?? null,
    proof_asserted_at: row.proofAssertedAt ?? null,
    consent_confirmed_by: row.consentConfirmedBy ?? null,
    consent_confirmed_at: row.consentConfirmedAt ?? null,
    connected_at: row.connectedAt,
    removed_at: row.removedAt ?? null,
  }
}
