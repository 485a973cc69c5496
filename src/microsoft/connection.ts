import type { Store } from '../../db/store.ts'
import type { Config, EntraCredential } from '../config/config.ts'
import type { Clock } from '../runtime/clock.ts'
import { Readings } from '../runtime/concurrency.ts'
import type { Sealer } from '../keys/interface.ts'
import { resealed } from '../keys/resealed.ts'
import { proofWords } from '../protocol/mfa-proof.ts'
import type { Log } from '../runtime/log.ts'

/**
 * The connected tenants, the application and its credential. The database is the truth. The
 * environment provides only initial values; a later difference is reported and ignored, so that
 * starting a broker with old settings does not restore a removed tenant. Only the credential of the
 * environment takes precedence, because secrets are rotated there.
 */

/**
 * The broker's credential at Entra. It comes from the environment, or was entered at /setup and is
 * sealed in the store. `pem`: a certificate with its key.
 */
export type Credential = EntraCredential | { kind: 'pem'; pem: string }

export interface Connection {
  /** The allowed tenants: GUIDs in lower case. */
  tenants: readonly string[]
  clientId: string | undefined
  credential: Credential | undefined
  credentialFrom: 'environment' | 'store' | undefined
  /** The tenant whose app roles Broker.Auditor, Broker.Operator and Broker.Administrator count. */
  operatorTenant: string | undefined
}

export interface EntraConnection {
  /** Returns the connection as of the last reload. */
  current(): Connection
  /** Reads the connection again after the store changed. It applies from the next request on. */
  reload(): Promise<void>
  change(what: {
    clientId?: string
    credential?: Credential & { kind: 'secret' | 'pem' }
    operatorTenant?: string
  }): Promise<void>
  /**
   * Returns the differences between the environment and the store, as sentences for the operator.
   */
  differences(): string[]
}

/** Returns the connection by the settings only, for a module that is used without a store. */
export const connectionOf = ({
  entra,
  operatorTenant,
}: Pick<Config, 'entra'> & Partial<Pick<Config, 'operatorTenant'>>): Connection => ({
  tenants: entra.tenants,
  clientId: entra.clientId,
  credential: entra.credential,
  credentialFrom: entra.credential === undefined ? undefined : 'environment',
  operatorTenant,
})

interface Need {
  store: Store
  sealer: Sealer
  config: Pick<Config, 'entra' | 'operatorTenant' | 'mfaProof' | 'mfaProofAsserted'>
  clock: Clock
  log: Log
}

const SETTING = {
  clientId: 'entra/client_id',
  credential: 'entra/credential',
  operatorTenant: 'entra/operator_tenant',
} as const
const PLACE = `settings/${SETTING.credential}`

export async function openConnection(need: Need): Promise<EntraConnection> {
  await seed(need)
  await resealed(need, SETTING.credential)
  let { connection, differences } = await load(need)
  for (const words of differences)
    need.log.warn('settings_differ_from_store', {
      words,
      next: 'The broker uses the value in the database. Change it at /setup or with cmb.',
    })
  const readings = new Readings()
  const reload = (): Promise<void> =>
    readings.take(
      () => load(need),
      (read) => void ({ connection, differences } = read),
    )
  return {
    current: () => connection,
    differences: () => differences,
    reload,
    async change({ clientId, credential, operatorTenant }) {
      if (clientId !== undefined) await need.store.setSetting(SETTING.clientId, clientId)
      if (credential !== undefined)
        await need.store.setSetting(
          SETTING.credential,
          need.sealer.seal(PLACE, JSON.stringify(credential)),
        )
      if (operatorTenant !== undefined)
        await need.store.setSetting(SETTING.operatorTenant, operatorTenant)
      await reload()
    },
  }
}

const SETTING_OF_PROOF = 'BROKER_MFA_PROOF'

/**
 * Writes each value of the environment that the store does not have yet. Each is separate, so that
 * a broker first started without settings takes them from a later start.
 */
async function seed({ store, config, clock, log }: Need): Promise<void> {
  const { entra, mfaProof, mfaProofAsserted, operatorTenant } = config
  if (entra.clientId !== undefined) await store.setSettingOnce(SETTING.clientId, entra.clientId)
  if (operatorTenant !== undefined)
    await store.setSettingOnce(SETTING.operatorTenant, operatorTenant)
  // Removed tenants are listed too, so that the settings do not connect a removed tenant again.
  const known = await store.listTenants()
  if (known.length === 0)
    for (const tid of entra.tenants)
      await store.putTenant({ tid, mfaProof: proofWords(mfaProof), connectedAt: clock.now() })
  if (mfaProofAsserted)
    await assertProof({ store, clock, log }, entra.tenants, proofWords(mfaProof))
}

/**
 * Records that the operator asserts the proof of MFA for the tenants in the settings. An assertion
 * made at /setup is kept.
 */
async function assertProof(
  { store, clock, log }: Pick<Need, 'store' | 'clock' | 'log'>,
  tids: readonly string[],
  proof: string,
): Promise<void> {
  for (const { tid, mfaProof, proofAssertedAt } of await store.listTenants()) {
    if (!tids.includes(tid) || mfaProof !== proof || proofAssertedAt !== undefined) continue
    await store.changeTenant({
      tid,
      change: { proofAssertedBy: SETTING_OF_PROOF, proofAssertedAt: clock.now() },
    })
    log.info('mfa_proof_asserted', { tid, proof: mfaProof, actor: SETTING_OF_PROOF })
  }
}

async function load(need: Need): Promise<{ connection: Connection; differences: string[] }> {
  const { store, sealer, config } = need
  const [rows, clientId, sealed, operatorTenant] = await Promise.all([
    store.listTenants(),
    store.setting(SETTING.clientId),
    store.setting(SETTING.credential),
    store.setting(SETTING.operatorTenant),
  ])
  const tids = rows.filter((row) => row.removedAt === undefined).map(({ tid }) => tid)
  const opened = sealed === undefined ? undefined : sealer.open(PLACE, sealed)
  const stored =
    opened === undefined ? undefined : (JSON.parse(opened.toString('utf8')) as Credential)
  const { credential = stored } = config.entra
  const credentialFrom =
    config.entra.credential !== undefined
      ? 'environment'
      : stored === undefined
        ? undefined
        : 'store'
  return {
    connection: {
      tenants: tids,
      clientId,
      credential,
      credentialFrom,
      operatorTenant,
    },
    differences: differencesOf(config, {
      tids,
      clientId,
      operatorTenant,
      credential: sealed === undefined ? 'none' : opened === undefined ? 'unreadable' : 'kept',
    }),
  }
}

interface Kept {
  tids: readonly string[]
  clientId: string | undefined
  operatorTenant: string | undefined
  /** `unreadable` where the secret that sealed it is no longer there. */
  credential: 'none' | 'kept' | 'unreadable'
}

/** Returns where the settings differ from the store, and what to do about it. */
function differencesOf({ entra, operatorTenant }: Need['config'], kept: Kept): string[] {
  return [
    ...entra.tenants
      .filter((tid) => !kept.tids.includes(tid))
      .map(
        (tid) =>
          `BROKER_ENTRA_TENANT names ${tid}, which is not connected: connect it with cmb tenants add ${tid}, or take it out of the setting.`,
      ),
    ...(entra.tenants.length === 0 ? [] : kept.tids)
      .filter((tid) => !entra.tenants.includes(tid))
      .map(
        (tid) =>
          `${tid} is connected, and BROKER_ENTRA_TENANT does not name it: add it there, or remove it with cmb tenants remove ${tid}.`,
      ),
    ...differ(
      'BROKER_ENTRA_CLIENT_ID',
      entra.clientId,
      kept.clientId,
      'the application is changed at /setup',
    ),
    ...differ(
      'BROKER_OPERATOR_TENANT',
      operatorTenant,
      kept.operatorTenant,
      'the operators’ tenant is changed at /setup',
    ),
    ...(entra.credential !== undefined && kept.credential !== 'none'
      ? [
          'The credential of the settings is used; another was entered at /setup and is kept beside it.',
        ]
      : []),
    ...(kept.credential === 'unreadable'
      ? [
          'The credential entered at /setup was sealed under a BROKER_SECRET that is not there any more: enter it again at /setup.',
        ]
      : []),
  ]
}

const differ = (
  name: string,
  set: string | undefined,
  kept: string | undefined,
  next: string,
): string[] =>
  set === undefined || set === kept
    ? []
    : [
        `${name} is ${set}, and the store has ${kept ?? 'none'}, which counts: ${next}; or set the variable to that.`,
      ]
