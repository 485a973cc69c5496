/**
 * The types of webhook events and the switches of an endpoint. They are separate from the schemas
 * because every `cmb` command loads them.
 */

export const SWITCHES = {
  names: ['name', 'username', 'email', 'actor'],
  ip_addresses: ['ip_address'],
  comments: ['comment'],
  case_references: ['case_reference'],
  setting_values: ['value'],
} as const satisfies Record<string, readonly string[]>
export type WebhookSwitch = keyof typeof SWITCHES
export const WEBHOOK_SWITCHES = Object.keys(SWITCHES) as WebhookSwitch[]

export const WEBHOOK_TYPES = [
  'session.new_device',
  'user.signed_out_everywhere',
  'user.reported_sign_in',
  'revocation.by_operator',
  'revocation.theft',
  'revocation.wide',
  'lock.placed',
  'lock.lifted',
  'key.rotated',
  'setting.changed',
  'webhook.test',
] as const
export type WebhookType = (typeof WEBHOOK_TYPES)[number]
