import type { Json } from './described.ts'
import { EXAMPLES } from './texts/examples.ts'
import { MEMBERS } from './texts/members.ts'

/**
 * Adds its meaning to each member of a JSON Schema, or of the schemas and parameters of an OpenAPI
 * document, that does not say it itself, and an example to some.
 * @param owner the name of the schema or of the operation
 */
export function explained<T>(node: T, owner = ''): T {
  if (Array.isArray(node)) return node.map((element: unknown) => explained(element, owner)) as T
  if (typeof node !== 'object' || node === null) return node
  const { operationId = owner, in: place, name } = node as Json
  const inside = Object.entries(node).map(([key, value]) => [
    key,
    key === 'properties'
      ? membersOf(value as Json, String(operationId))
      : key === 'anyOf' || key === 'oneOf'
        ? explained(titled(value as Json[]), String(operationId))
        : explained(value as unknown, String(operationId)),
  ])
  const whole = Object.fromEntries(inside) as Json
  return (place === undefined ? whole : withMeaning(whole, owner, String(name))) as T
}

const membersOf = (members: Json, owner: string): Json =>
  Object.fromEntries(
    Object.entries(members).map(([name, schema]) => [
      name,
      withMeaning(explained(orNull(schema as Json, name), owner), owner, name),
    ]),
  )

const orNull = (schema: Json, name: string): Json =>
  Array.isArray(schema.anyOf) ? { ...schema, anyOf: titled(schema.anyOf as Json[], name) } : schema

type Members = Record<string, Json | undefined>
const nameOf = (text: string): string =>
  text.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())

/**
 * Adds a title to each alternative that has no name: the member or the kind by which it differs
 * from the others. A generated client numbers alternatives without a title.
 * @param member the name of the member that may be null instead
 */
function titled(alternatives: readonly Json[], member?: string): Json[] {
  const values = alternatives.filter(({ type }) => type !== 'null')
  return alternatives.map((alternative) => {
    const { $ref, title, properties = {}, enum: choices, required = [] } = alternative
    if (($ref ?? title) !== undefined || !(choices || 'properties' in alternative))
      return alternative
    if (values.length === 1)
      return member === undefined ? alternative : { title: nameOf(member), ...alternative }
    const others = values.filter((other) => other !== alternative)
    const own = (required as string[]).find((name) =>
      others.every(
        (other) =>
          JSON.stringify((other.properties as Members | undefined)?.[name]) !==
          JSON.stringify((properties as Members)[name]),
      ),
    )
    const kind = own === undefined ? undefined : (properties as Members)[own]?.const
    return own === undefined
      ? alternative
      : { title: nameOf(typeof kind === 'string' ? kind : own), ...alternative }
  })
}

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
