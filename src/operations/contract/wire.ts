import { z } from 'zod'

/**
 * Fields and their names on the wire: `caseReference` is `case_reference` there. Nothing else
 * translates between the two.
 */

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S

/** A request's members under the names of fields. */
export type Fields<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T as Camel<K & string>]: Fields<T[K]> }
    : T

type Nullable<T, K extends keyof T> = null extends T[K] ? K : undefined extends T[K] ? K : never
/**
 * What `shown` makes an answer from. A field that is not there is null on the wire, or is left out
 * where the schema says so.
 */
type Row<T> = T extends readonly (infer E)[]
  ? readonly Row<E>[]
  : T extends object
    ? { readonly [K in keyof T as Camel<Exclude<K, Nullable<T, K>> & string>]: Row<T[K]> } & {
        readonly [K in keyof T as Camel<Nullable<T, K> & string>]?: Row<T[K]> | null | undefined
      }
    : T

const camel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
const snake = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const renamed = (
  value: object,
  rename: (name: string) => string,
  each: (value: unknown) => unknown = (one) => one,
) => Object.fromEntries(Object.entries(value).map(([name, one]) => [rename(name), each(one)]))

export const fieldsOf = <T>(wire: T): Fields<T> => fields(wire) as Fields<T>
const fields = (wire: unknown): unknown =>
  typeof wire === 'object' && wire !== null && !Array.isArray(wire)
    ? renamed(wire, camel, fields)
    : wire

/**
 * The answer that a schema describes. Fields that the schema does not have are left out; a union is
 * renamed as it is.
 */
export const shown = <S extends z.ZodType>(schema: S, row: Row<z.output<S>>): z.output<S> =>
  onWire(schema, row) as z.output<S>

function onWire(schema: z.core.$ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) {
    const none = schema instanceof z.ZodNullable ? null : undefined
    return value === undefined || value === null ? none : onWire(schema.unwrap(), value)
  }
  if (schema instanceof z.ZodArray)
    return (value as unknown[]).map((one) => onWire(schema.element, one))
  if (schema instanceof z.ZodUnion) return renamed(value as object, snake)
  if (!(schema instanceof z.ZodObject)) return value
  const row = value as Readonly<Record<string, unknown>>
  return Object.fromEntries(
    Object.entries(schema.shape).map(([name, type]) => [
      name,
      onWire(type as z.ZodType, row[camel(name)]),
    ]),
  )
}
