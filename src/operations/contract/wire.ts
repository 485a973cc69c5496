import { z } from 'zod'

/**
 * Translates between field names and wire names: `caseReference` is `case_reference` on the wire.
 */

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : S

/** A request's members with field names. */
export type Fields<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T as Camel<K & string>]: Fields<T[K]> }
    : T

type Nullable<T, K extends keyof T> = null extends T[K]
  ? K
  : undefined extends T[K]
    ? K
    : T[K] extends true
      ? K
      : never
/**
 * The input of `toWire`. A missing field becomes null on the wire, or is left out if the schema says
 * so. A literal need not be given.
 */
export type Row<T> = T extends readonly (infer E)[]
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
  each: (value: unknown) => unknown = (inner) => inner,
) => Object.fromEntries(Object.entries(value).map(([name, inner]) => [rename(name), each(inner)]))

export const fromWire = <T>(wire: T): Fields<T> => fields(wire) as Fields<T>
const fields = (wire: unknown): unknown =>
  typeof wire === 'object' && wire !== null && !Array.isArray(wire)
    ? renamed(wire, camel, fields)
    : wire

/**
 * Returns the answer that a schema describes, without fields that the schema lacks. The members of
 * a union are renamed without a schema.
 */
export const toWire = <S extends z.ZodType>(schema: S, row: Row<z.output<S>>): z.output<S> =>
  onWire(schema, row) as z.output<S>

function onWire(schema: z.core.$ZodType, value: unknown): unknown {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) {
    const none = schema instanceof z.ZodNullable ? null : undefined
    return value === undefined || value === null ? none : onWire(schema.unwrap(), value)
  }
  if (schema instanceof z.ZodArray)
    return (value as unknown[]).map((element) => onWire(schema.element, element))
  if (schema instanceof z.ZodUnion) {
    const option = schema.options.find((candidate) => describes(candidate, value))
    return option === undefined ? renamed(value as object, snake) : onWire(option, value)
  }
  if (schema instanceof z.ZodLiteral) return schema.value
  if (!(schema instanceof z.ZodObject) || schema.def.catchall instanceof z.ZodUnknown) return value
  return Object.fromEntries(
    Object.entries(schema.shape).map(([name, type]) => [
      name,
      onWire(type as z.ZodType, member(value, name)),
    ]),
  )
}

/** Returns a member by its name on the wire, or by the name of its field. */
function member(value: unknown, name: string): unknown {
  const row = value as Readonly<Record<string, unknown>>
  return name in row ? row[name] : row[camel(name)]
}

/** Returns whether the row has the literals by which this option of a union is known. */
const describes = (option: z.core.$ZodType, row: unknown): boolean =>
  option instanceof z.ZodObject &&
  Object.entries(option.shape).every(
    ([name, type]) =>
      !(type instanceof z.ZodLiteral) || type.values.has(member(row, name) as never),
  )
