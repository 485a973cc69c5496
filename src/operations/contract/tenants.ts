import { z } from 'zod'
import type { Tenant } from '../../../db/types.ts'
import { Problem } from '../../clients/problem.ts'
import { probePause, resumeProbe } from '../../microsoft/probe-pause.ts'
import { MAX_AUTHENTICATION, readTenantId } from '../../microsoft/tenants.ts'
import { changes } from '../../protocol/changes.ts'
import { text } from '../../protocol/described.ts'
import { MFA_PROOF_EXPECTED, parseMfaProof } from '../../protocol/mfa-proof.ts'
import { storedText } from '../../protocol/stored-text.ts'
import {
  ADMINISTRATORS,
  ADMINISTRATORS_EXPECTED,
  isAdministratorsSetting,
} from '../../protocol/tenant-administrators.ts'
import { noSuch } from '../acts/no-such.ts'
import { dryRunShown, previewedAge } from '../acts/revocations.ts'
import { changeAs, connectAs, mayHaveAdministrators, removeAs } from '../acts/tenants.ts'
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
    async ({ deps, caller: { actor }, now, record, body: { tid, mfaProof: proof, ...body } }) => {
      const read = readTenantId(tid)
      if ('problem' in read) throw new Problem(422, 'The tenant cannot be connected', read.problem)
      const wanted = { ...body, ...read, proof }
      return tenantShown(deps, await connectAs(deps, { record, actor, now }, wanted))
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
      if (!dry) return tenantShown(deps, await changeAs(deps, record, tid, wanted))
      const before = await deps.store.findTenant(tid)
      if (before === undefined || before.removedAt !== undefined) throw noSuch('tenant')
      mayHaveAdministrators(deps, tid, wanted)
      return dryRunShown(
        deps,
        await previewedAge(deps, { kind: 'tenant', tid }, wanted.maxAuthenticationSeconds, now),
      )
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
    async ({ deps, caller: { actor }, now, record, params: { tid } }) => ({
      tid,
      ...(await removeAs(deps, { record, actor, now }, tid)),
    }),
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
    async ({ deps, now, record, params: { tid } }) => {
      const paused = await probePause(deps.store, tid)
      // Each session is asked about within a round; a second round allows for a late one.
      const settledUntil = now + 2 * deps.config.signals.probeEverySeconds
      const before =
        paused === undefined ? {} : { paused: { at: paused.at, code: paused.code ?? null } }
      await record(`tenant ${tid}`, { changed: changes(before, {}) }, async () => {
        if (!(await resumeProbe(deps.store, tid, settledUntil)))
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

const tenantShown = ({ connection }: Deps, row: Tenant) => ({
  ...row,
  allowed: row.removedAt === undefined,
  maxAuthenticationAge: row.maxAuthenticationSeconds,
  operators: row.tid === connection.current().operatorTenant,
})
