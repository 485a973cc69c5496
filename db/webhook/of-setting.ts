import type { WebhookEvent } from '../../src/protocol/webhook-event.ts'
import type { Tenant } from '../types.ts'

/** Which changes of settings are webhook events. What the broker notes for itself is none. */

type Changed = WebhookEvent & { type: 'setting.changed' }

/** Of the table of settings: by their names there. */
const SETTINGS: Readonly<Record<string, { setting: string; isSecret?: true }>> = {
  'entra/client_id': { setting: 'entra.client_id' },
  'entra/credential': { setting: 'entra.credential', isSecret: true },
  'entra/operator_tenant': { setting: 'operator_tenant' },
}
const TENANT = {
  mfaProof: 'tenant.mfa_proof',
  idleSeconds: 'tenant.idle_seconds',
  absoluteSeconds: 'tenant.absolute_seconds',
  staySignedInSeconds: 'tenant.stay_signed_in_seconds',
  maxAuthenticationSeconds: 'tenant.max_authentication_seconds',
  administrators: 'tenant.administrators',
} as const satisfies Partial<Record<keyof Tenant, string>>
type Field = keyof typeof TENANT

export function ofSetting(name: string, value: string | undefined): Changed[] {
  const known = SETTINGS[name]
  if (known === undefined) return []
  return [{ type: 'setting.changed', data: { setting: known.setting, value: known.isSecret ? undefined : value } }]
}

/** @param before undefined: it was not connected */
export function ofTenant(before: Tenant | undefined, after: Tenant): Changed[] {
  const { tid } = after
  if (before === undefined) return [{ type: 'setting.changed', data: { setting: 'tenant.connected', tid } }]
  return (Object.keys(TENANT) as Field[])
    .filter((field) => before[field] !== after[field])
    .map((field) => ({ type: 'setting.changed', data: { setting: TENANT[field], tid, value: after[field]?.toString() } }))
}
