import { z } from 'zod'
import type { Tenant } from '../../../db/types.ts'
import { webAddress } from '../../clients/metadata-fields.ts'
import { Problem } from '../../audit/problem.ts'
import { probePause, resumeProbe } from '../../microsoft/probe-pause.ts'
import {
  consentSetting,
  disconnectTenant,
  isDecided,
  MAX_AUTHENTICATION,
  readTenantId,
  TENANT_SETTINGS,
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
import { REJECTED } from '../acts/texts/rejected.ts'
import { dryRun } from './fields.ts'
import { dryRunOfChange, tenant } from './shapes.ts'
import type { Deps } from '../deps.ts'
import { ok, route } from './route.ts'

/** The tenants whose users may sign in. */

const { least, most } = MAX_AUTHENTICATION
const name = storedText().trim().min(1).max(100)
/** The members that an administrator of the tenant may change. */
const OWN: readonly string[] = ['help_contact', 'dry_run']
const helpContact = z
  .strictObject({
    name: name.optional(),
    email: z.email('an email address, e.g. "it@fabrikam.example"').max(254).optional(),
    telephone: z
      .string()
      .regex(/^\+?[\d ()/.-]{3,40}$/, 'a telephone number, e.g. "+44 20 7946 0000"')
      .optional(),
    link: webAddress('https://fabrikam.example/help', false).max(500).optional(),
  })
  .refine(
    ({ email, telephone, link }) => (email ?? telephone ?? link) !== undefined,
    'name an email address, a telephone number or a link',
  )
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
  help_contact: helpContact.nullable().optional(),
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
    // A tenant that is connected again starts without its earlier assertions and confirmations.
    async ({ deps, now, record, body }) => {
      const read = readTenantId(body.tid)
      if ('problem' in read) throw new Problem(422, 'The tenant cannot be connected', read.problem)
      const { tid } = read
      const { name: wantedName, mfaProof = UNDECIDED } = body
      const { store, connection } = deps
      const before = await store.findTenant(tid)
      const connect = async (): Promise<Tenant> => {
        if (before !== undefined && before.removedAt === undefined)
          throw new Problem(409, 'Already connected', REJECTED.connected(tid))
        for (const setting of TENANT_SETTINGS) await store.setSetting(setting(tid), undefined)
        const row = { tid, name: wantedName ?? before?.name, mfaProof, connectedAt: now }
        await store.putTenant(row)
        await connection.reload()
        return existing('tenant', await store.findTenant(tid))
      }
      const details = { name: wantedName, mfa_proof: mfaProof }
      const connected = await record(`tenant ${tid}`, details, connect, (after) => ({
        changed: changes(stateOf(before), stateOf(after)),
      }))
      return tenantShown(deps, connected)
    },
  ),
  route(
    'PATCH /tenants/:tid',
    {
      id: 'changeTenant',
      audit: 'tenant.change',
      tenant: ({ params: asked, wire }, tid) =>
        asked.tid === tid && Object.keys(wire).every((member) => OWN.includes(member)),
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
      body: {
        name: called,
        maxAuthenticationAge: age,
        administrators: who,
        helpContact: help,
        ...body
      },
    }) => {
      const wanted = {
        ...(called !== undefined && { name: called }),
        ...(age !== undefined && { maxAuthenticationSeconds: age ?? undefined }),
        ...(who !== undefined && { administrators: who ?? undefined }),
        ...(help !== undefined && { helpContact: help ?? undefined }),
      }
      const before = await deps.store.findTenant(tid)
      if (body.dryRun) {
        if (before === undefined || before.removedAt !== undefined) throw noSuch('tenant')
        mayHaveAdministrators(deps, tid, wanted)
        const seconds = wanted.maxAuthenticationSeconds
        return dryRunShown(deps, await previewedAge(deps, { kind: 'tenant', tid }, seconds, now))
      }
      const changed = changes(settingsOf(before ?? {}), settingsOf({ ...before, ...wanted }))
      const after = await record(`tenant ${tid}`, { changed }, async () => {
        mayHaveAdministrators(deps, tid, wanted)
        const isThere = await deps.store.changeTenant({ tid, change: wanted })
        return existing('tenant', isThere ? await deps.store.findTenant(tid) : undefined)
      })
      return tenantShown(deps, after)
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
    async ({ deps, caller: { actor }, now, record, params: { tid } }) => {
      const row = await deps.store.findTenant(tid)
      const isConnected = row !== undefined && row.removedAt === undefined
      const { name: itsName = null, mfaProof, connectedAt } = row ?? {}
      const removed = { tid, name: itsName, mfa_proof: mfaProof, connected_at: connectedAt }
      const disconnect = async () => {
        if (row !== undefined && !(await mayRemove(deps, row)))
          throw new Problem(
            409,
            'The operator tenant cannot be removed',
            REJECTED.only_operator_tenant(deps.config.opsOrigin),
          )
        const answer = await disconnectTenant(deps, { tid, actor, now })
        if (answer.outcome === 'unknown') throw noSuch('tenant')
        return { seq: answer.seq }
      }
      const details = isConnected ? { removed } : {}
      return { tid, ...(await record(`tenant ${tid}`, details, disconnect, (answer) => answer)) }
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

/** Returns the part of a tenant that connecting it changes, for the audit log. */
const stateOf = (row: Tenant | undefined) => ({
  connected: row !== undefined && row.removedAt === undefined,
  name: row?.name ?? null,
  mfa_proof: row?.mfaProof ?? null,
})

type Change = Partial<
  Pick<Tenant, 'name' | 'maxAuthenticationSeconds' | 'administrators' | 'helpContact'>
>

const settingsOf = ({
  name,
  maxAuthenticationSeconds: age,
  administrators,
  helpContact: help,
}: Change) => ({
  name: name ?? null,
  max_authentication_age: age ?? null,
  administrators: administrators ?? null,
  help_contact: help ?? null,
})

/**
 * Rejects administrators for the operator tenant, where only operators' app roles count.
 * @throws Problem 409
 */
function mayHaveAdministrators(
  { connection }: Deps,
  tid: string,
  { administrators }: Change,
): void {
  if (administrators !== undefined && tid === connection.current().operatorTenant)
    throw new Problem(409, 'This is the operator tenant', REJECTED.operators_tenant)
}

/**
 * Returns whether the tenant may be removed. Removing the operator tenant would lock the operators
 * out, unless it is only connected and unused, for example by a mistyped id.
 */
const mayRemove = async (
  { connection, store }: Pick<Deps, 'connection' | 'store'>,
  row: Tenant,
): Promise<boolean> =>
  connection.current().operatorTenant !== row.tid ||
  (!isDecided(row) &&
    row.consentConfirmedAt === undefined &&
    (await store.setting(consentSetting(row.tid))) === undefined)
