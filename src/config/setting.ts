import type { z } from 'zod'

/** One row of the table of settings, and the type that a table of them reads to. */

export type Section =
  | 'broker'
  | 'microsoft'
  | 'signals'
  | 'sessions'
  | 'retention'
  | 'rates'
  | 'messages'
  | 'look'
  | 'parts'

interface Row<T> {
  name: `BROKER_${string}` | 'HTTPS_PROXY' | 'NO_PROXY'
  section: Section
  /** Reads the text of the variable; its issues complete the sentence "BROKER_X …". */
  schema: z.ZodType<T, string>
  /** A value as it would be written in the environment. */
  example: string
  /** Markdown, one line of the reference page: what it does. */
  text: string
  /** What the page shows as the default, where that is not the text of `default`. */
  defaultText?: string
}

export interface Setting<T> extends Row<NonNullable<T>> {
  readonly required: boolean
  /** As text, read by the same schema. */
  readonly default: string | undefined
  /** Never set: carries the type that reading yields. */
  readonly value?: T
}

export function setting<T>(row: Row<T> & ({ required: true } | { default: string })): Setting<T>
export function setting<T>(row: Row<T>): Setting<T | undefined>
export function setting<T>(row: Row<T> & { required?: true; default?: string }): Setting<T> {
  return { ...row, required: row.required === true, default: row.default } as Setting<T>
}

export interface Table {
  readonly [key: string]: Setting<unknown> | Table
}

/** What reading a table yields: the same shape, each setting replaced by its value. */
export type Read<T> = { [K in keyof T]: T[K] extends Setting<infer V> ? V : Read<T[K]> }

export const isSetting = (entry: Setting<unknown> | Table): entry is Setting<unknown> =>
  typeof entry.name === 'string'

/** Every setting of a table, in its order. */
export function* settingsOf(table: Table): Generator<Setting<unknown>> {
  for (const entry of Object.values(table)) {
    if (isSetting(entry)) yield entry
    else yield* settingsOf(entry)
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface ConfigProblem {
  name: string
  /** Completes the sentence that begins with the name. */
  problem: string
  example: string
}
