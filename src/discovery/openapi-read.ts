/** A schema in one line, for users. */

import type { Json } from '../protocol/described.ts'

export function schemaLine(schema: Json): string {
  const { $ref, const: only, enum: values, type, items, oneOf, anyOf, allOf, properties } = schema
  if (typeof $ref === 'string') return $ref.split('/').at(-1) ?? $ref
  if (only !== undefined) return JSON.stringify(only)
  if (Array.isArray(values)) return values.map((one) => JSON.stringify(one)).join(' | ')
  for (const [list, between] of [
    [oneOf, ' | '],
    [anyOf, ' | '],
    [allOf, ' & '],
  ] as const)
    if (Array.isArray(list)) return (list as Json[]).map(schemaLine).join(between)
  if (type === 'array') return `${schemaLine((items ?? {}) as Json)}[]`
  if (type === 'object' && properties !== undefined) return `{ ${members(properties as Record<string, Json>, schema.required)} }`
  return typeof type === 'string' ? type : 'any'
}

function members(properties: Record<string, Json>, required: unknown): string {
  const needed = new Set(Array.isArray(required) ? (required as string[]) : [])
  return Object.entries(properties)
    .map(([name, schema]) => `${name}${needed.has(name) ? '' : '?'}: ${schemaLine(schema)}`)
    .join(', ')
}
