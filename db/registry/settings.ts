import { sql } from 'drizzle-orm'
import type { WebhookEvent } from '../../src/protocol/webhook-event.ts'
import { type Act, currentMs } from '../engine/act.ts'
import {
  assign,
  columnsOf,
  command,
  excluded,
  insertInto,
  names,
  query,
  type Takes,
} from '../engine/statement.ts'
import { settings } from '../schema.ts'
import { emit } from '../webhook/emit.ts'
import { registryChanged } from '../rows/registry-version.ts'

/** The broker's own values, by name. */

const find = query(
  columnsOf(settings, 'value'),
  (p: Takes<{ name: string }>, f) =>
    sql`SELECT ${f} FROM ${settings} WHERE ${settings.name} = ${p.name}`,
)
const set = command(
  (p: Takes<{ name: string; value: string }>) =>
    sql`${insertInto(settings, { name: p.name, value: p.value })} ON CONFLICT (${names(settings.name)})
      DO UPDATE SET ${assign(settings, { value: excluded(settings.value) })} WHERE ${settings.value} <> ${excluded(settings.value)}`,
)
const setOnce = command(
  (p: Takes<{ name: string; value: string }>) =>
    sql`${insertInto(settings, { name: p.name, value: p.value })} ON CONFLICT (${names(settings.name)}) DO NOTHING`,
)
const reseal = command(
  (p: Takes<{ name: string; from: string; to: string }>) =>
    sql`UPDATE ${settings} SET ${assign(settings, { value: p.to })} WHERE ${settings.name} = ${p.name} AND ${settings.value} = ${p.from}`,
)
const unset = command(
  (p: Takes<{ name: string }>) => sql`DELETE FROM ${settings} WHERE ${settings.name} = ${p.name}`,
)

/** The settings whose changes are sent to webhooks, by their names in the table. */
const SETTINGS: Readonly<Record<string, { setting: string; isSecret?: true }>> = {
  'entra/client_id': { setting: 'entra.client_id' },
  'entra/credential': { setting: 'entra.credential', isSecret: true },
  'entra/operator_tenant': { setting: 'operator_tenant' },
}

function eventsOf(name: string, value: string | undefined): WebhookEvent[] {
  const known = SETTINGS[name]
  if (known === undefined) return []
  return [
    {
      type: 'setting.changed',
      data: { setting: known.setting, value: known.isSecret ? undefined : value },
    },
  ]
}

/** Returns a value of the broker itself, sealed by the caller where it is secret. */
export function* setting(name: string): Act<string | undefined> {
  return (yield* find.get({ name }))?.value
}

export function* setSetting(name: string, value: string | undefined): Act<void> {
  const changed = yield* value === undefined ? unset.run({ name }) : set.run({ name, value })
  if (changed === 0) return
  for (const event of eventsOf(name, value)) yield* emit(event)
  yield* registryChanged()
}

/**
 * Sets a value only if there is none.
 * @returns the stored value: if two callers set one at once, that of the first
 */
export function* setSettingOnce(name: string, value: string): Act<string> {
  const added = yield* setOnce.run({ name, value })
  if (added === 0) return (yield* setting(name)) ?? value
  yield* registryChanged()
  return value
}

/**
 * Replaces a sealed value with the same secret, sealed again. Other brokers keep the opened secret
 * in memory, so the registry's version stays the same and no webhook is sent.
 * @returns false where the stored value is no longer `from`; nothing changes then
 */
export function* resealSetting(input: { name: string; from: string; to: string }): Act<boolean> {
  return (yield* reseal.run(input)) > 0
}

/** Sets a value that no broker keeps in memory, so the registry's version stays the same. */
export const keepSetting = (name: string, value: string): Act<number> => set.run({ name, value })
export const dropSetting = (name: string): Act<number> => unset.run({ name })

/** Writes a value and reads it back, for /readyz. The registry's version stays the same. */
export function* probe(): Act<void> {
  const written = String(yield* currentMs())
  yield* set.run({ name: 'probe', value: written })
  if ((yield* setting('probe')) !== written)
    throw new Error('The store does not read back what it has just written.')
}
