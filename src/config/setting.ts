import type { z } from 'zod'

/** The type of one row of the table of settings, and the types that a table parses to. */

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
  /** Parses the text of the variable. Its issues complete the sentence "BROKER_X …". */
  schema: z.ZodType<T, string>
  /** A value as written in the environment. */
  example: string
  /** The description on the reference page: Markdown, one line. */
  text: string
  /** The default as the page shows it, if that differs from `default`. */
  defaultText?: string
}

export interface Setting<T> extends Row<NonNullable<T>> {
  readonly required: boolean
  /** The default as text, which `schema` parses. */
  readonly default: string | undefined
  /** Never set. It carries the type of the parsed value. */
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

/** The parsed values of a table: the same shape, with each setting replaced by its value. */
export type Read<T> = { [K in keyof T]: T[K] extends Setting<infer V> ? V : Read<T[K]> }

export const isSetting = (entry: Setting<unknown> | Table): entry is Setting<unknown> =>
  typeof entry.name === 'string'

/** Yields every setting of a table, in its order. */
export function* settingsOf(table: Table): Generator<Setting<unknown>> {
  for (const entry of Object.values(table)) {
    if (isSetting(entry)) yield entry
    else yield* settingsOf(entry)
  }
}

export type Environment = Readonly<Record<string, string | undefined>>

export interface ConfigProblem {
  name: string
  /** The problem, which completes the sentence that begins with the name. */
  problem: string
  example: string
}
