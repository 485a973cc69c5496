import type { Json } from './described.ts'
import { EXAMPLES } from './texts/examples.ts'
import { MEMBERS } from './texts/members.ts'

/**
 * Adds its meaning to each member of a JSON Schema, or of the schemas and parameters of an OpenAPI
 * document, that does not say it itself, and an example to some.
 * @param owner the name of the schema or of the operation
 */
export function explained<T>(node: T, owner = ''): T {
  if (Array.isArray(node)) return node.map((one: unknown) => explained(one, owner)) as T
  if (typeof node !== 'object' || node === null) return node
  const { operationId = owner, in: place, name } = node as Json
  const inside = Object.entries(node).map(([key, value]) => [
    key,
    key === 'properties'
      ? membersOf(value as Json, String(operationId))
      : explained(value as unknown, String(operationId)),
  ])
  const whole = Object.fromEntries(inside) as Json
  return (place === undefined ? whole : withMeaning(whole, owner, String(name))) as T
}

const membersOf = (members: Json, owner: string): Json =>
  Object.fromEntries(
    Object.entries(members).map(([name, schema]) => [
      name,
      withMeaning(explained(schema as Json, owner), owner, name),
    ]),
  )

const MEANINGS: Readonly<Record<string, string>> = MEMBERS
const UNIT = /^epoch (?:milli)?seconds$/

function withMeaning(schema: Json, owner: string, name: string): Json {
  const meaning = MEANINGS[`${owner}.${name}`] ?? MEANINGS[name]
  const { description: own = meaning, type, const: only, enum: choices } = schema
  const description = UNIT.test(String(own)) && meaning ? `${meaning}, in ${String(own)}` : own
  const example = type === 'string' && (choices ?? only) === undefined ? EXAMPLES[name] : undefined
  return {
    ...schema,
    ...(description !== undefined && { description }),
    ...(example !== undefined && { examples: [example] }),
  }
}
