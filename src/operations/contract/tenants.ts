import { z } from 'zod'
import type { Tenant } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import { probePause, resumeProbe } from '../../microsoft/probe-pause.ts'
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
import { text } from '../../protocol/described.ts'
import { MFA_PROOF_EXPECTED, parseMfaProof } from '../../protocol/mfa-proof.ts'
import { storedText } from '../../protocol/stored-text.ts'
import {
  ADMINISTRATORS,
  ADMINISTRATORS_EXPECTED,
  isAdministratorsSetting,
} from '../../protocol/tenant-administrators.ts'
import { existing, noSuch } from '../acts/no-such.ts'
import { dryRunShown, previewedAge } from '../acts/revocations.ts'
import { dryRun } from './fields.ts'
import { dryRunOfChange, tenant } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/** The tenants whose users may sign in. */

const { least, most } = MAX_AUTHENTICATION
const name = storedText().trim().min(1).max(100)
const change = z.strictObject({
  name: name.optional(),
  max_authentication_age: z
    .int(`a whole number of seconds from ${least} to ${most}, or null`)
    .min(least, `at least ${least}`)
    .max(most, `at most ${most}`)
    .nullable()
    .optional(),
  administrators: text
    .regex(ADMINISTRATORS, ADMINISTRATORS_EXPECTED)
    .refine(isAdministratorsSetting, ADMINISTRATORS_EXPECTED)
    .nullable()
    .optional(),
  dry_run: dryRun,
})
const params = z.strictObject({ tid: storedText().max(64).toLowerCase() })
export const tenantRoutes = [
  route(
    'GET /tenants',
    {
      id: 'listTenants',
      answers: z.object({ tenants: z.array(tenant) }),
    },
    async ({ deps }) => ({
      tenants: (await deps.store.listTenants()).map((row) => tenantShown(deps, row)),
    }),
  ),
  route(
    'POST /tenants',
    {
      id: 'addTenant',
      audit: 'tenant.add',
      body: z.strictObject({
        tid: storedText().max(64),
        name: name.optional(),
        mfa_proof: storedText()
          .refine((value) => parseMfaProof(value) !== undefined, MFA_PROOF_EXPECTED)
          .optional(),
      }),
      answers: { 201: ok('Connected.', tenant) },
      rejects: [409, 422],
    },
    async ({ deps, caller, now, record, body: { tid: given, name, mfaProof: proof } }) => {
      const read = readTenantId(given)
      if ('problem' in read) throw new Problem(422, 'The tenant cannot be connected', read.problem)
      const { tid } = read
      const before = tenantState(await deps.store.findTenant(tid))
      const connect = async (): Promise<Tenant> => {
        if (
          (await connectTenant(deps, { tid, name, proof, actor: caller.actor, now })) === 'already'
        )
          throw new Problem(
            409,
            'Already connected',
            `${tid} is connected; cmb tenants shows it. Its proof of MFA is changed at /setup.`,
          )
        return existing('tenant', await deps.store.findTenant(tid))
      }
      const details = { name, mfa_proof: proof ?? UNDECIDED }
      return tenantShown(
        deps,
        await record(`tenant ${tid}`, details, connect, (after) => ({
          changed: changes(before, tenantState(after)),
        })),
      )
    },
  ),
  route(
    'PATCH /tenants/:tid',
    {
      id: 'changeTenant',
      audit: 'tenant.change',
      params,
      body: change,
      answers: z.union([dryRunOfChange, tenant]),
      rejects: [409, 422],
    },
    async ({
      deps,
      now,
      record,
      params: { tid },
      body: { name: called, maxAuthenticationAge: age, administrators: who, dryRun: dry },
    }) => {
      const wanted = {
        ...(called !== undefined && { name: called }),
        ...(age !== undefined && { maxAuthenticationSeconds: age ?? undefined }),
        ...(who !== undefined && { administrators: who ?? undefined }),
      }
      const before = await deps.store.findTenant(tid)
      if (dry) {
        if (before === undefined || before.removedAt !== undefined) throw noSuch('tenant')
        mayHaveAdministrators(deps, tid, wanted.administrators)
        return dryRunShown(
          deps,
          await previewedAge(deps, { kind: 'tenant', tid }, wanted.maxAuthenticationSeconds, now),
        )
      }
      const changed = changes(tenantSettings(before), tenantSettings({ ...before, ...wanted }))
      const row = await record(`tenant ${tid}`, { changed }, async () => {
        mayHaveAdministrators(deps, tid, wanted.administrators)
        const isThere = await deps.store.changeTenant({ tid, change: wanted })
        return existing('tenant', isThere ? await deps.store.findTenant(tid) : undefined)
      })
      return tenantShown(deps, row)
    },
  ),
  route(
    'DELETE /tenants/:tid',
    {
      id: 'removeTenant',
      audit: 'tenant.remove',
      params,
      answers: z.object({ tid: text, removed: z.literal(true), seq: z.int() }),
      rejects: [409],
    },
    async ({ deps, caller, now, record, params: { tid } }) => {
      const details = tenantBefore(await deps.store.findTenant(tid))
      const disconnect = async () => {
        if (deps.connection.current().operatorTenant === tid)
          throw new Problem(
            409,
            'The operator tenant cannot be removed',
            `No administrator could sign in without it. First choose another operator tenant at ${deps.config.opsOrigin}/setup.`,
          )
        const answer = await disconnectTenant(deps, { tid, actor: caller.actor, now })
        if (answer.outcome === 'unknown') throw noSuch('tenant')
        return answer
      }
      const { seq } = await record(`tenant ${tid}`, details, disconnect, (answer) => ({
        seq: answer.seq,
      }))
      return { tid, seq }
    },
  ),
  route(
    'POST /tenants/:tid/probe/resume',
    {
      id: 'resumeProbe',
      audit: 'tenant.resume_probe',
      may: 'operate',
      params,
      answers: z.object({ tid: text, resumed: z.literal(true) }),
    },
    async ({ deps, record, params: { tid } }) => {
      const paused = await probePause(deps.store, tid)
      const before =
        paused === undefined ? {} : { paused: { at: paused.at, code: paused.code ?? null } }
      await record(`tenant ${tid}`, { changed: changes(before, {}) }, async () => {
        if (!(await resumeProbe(deps.store, tid)))
          throw new Problem(
            404,
            'Not paused',
            `The probe of ${tid} is not paused; cmb status names the paused ones.`,
          )
      })
      return { tid }
    },
  ),
]

/**
 * Rejects administrators for the operator tenant, where only operators' app roles count.
 * @throws Problem 409
 */
function mayHaveAdministrators(
  { connection }: Deps,
  tid: string,
  administrators: string | undefined,
): void {
  if (administrators !== undefined && tid === connection.current().operatorTenant)
    throw new Problem(
      409,
      'This is the operator tenant',
      'Its users are administered by operators: assign Broker.Operator or Broker.Administrator there.',
    )
}

const tenantShown = ({ connection }: Deps, row: Tenant) => ({
  ...row,
  allowed: row.removedAt === undefined,
  maxAuthenticationAge: row.maxAuthenticationSeconds,
  operators: row.tid === connection.current().operatorTenant,
})
