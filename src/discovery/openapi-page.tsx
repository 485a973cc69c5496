import type { Context } from 'hono'
import { page, type PageOptions } from '../page/layout.tsx'
import type { Json } from '../protocol/described.ts'
import type { Document } from './openapi.ts'
import { schemaLine } from './openapi-read.ts'

/** OpenAPI as users read it: the broker's own page and style, no script, nothing from elsewhere. */

interface Operation {
  method: string
  path: string
  summary: string
  description?: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters: { name: string; in: string; description?: string; required?: boolean; schema?: Json }[]
  sends?: string
  answers: { status: string; description: string; shape?: string }[]
}

interface PathItem {
  parameters?: Operation['parameters']
  [method: string]: unknown
}

interface Written {
  operationId: string
  summary: string
  description?: string
  tags: string[]
  security: Record<string, string[]>[]
  parameters?: Operation['parameters']
  requestBody?: { content: Record<string, { schema: Json }> }
  responses: Record<string, { description: string; content?: Record<string, { schema: Json }> }>
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete']

function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths as Record<string, PathItem>).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const written = item[method] as Written | undefined
      if (written === undefined) return []
      const sends = shapeOf(written.requestBody?.content)
      const answers = Object.entries(written.responses).map(([status, { description, content }]) => {
        const shape = shapeOf(content)
        return { status, description, ...(shape !== undefined && { shape }) }
      })
      const parameters = [...(item.parameters ?? []), ...(written.parameters ?? [])]
      return [{ ...written, method: method.toUpperCase(), path, parameters, answers, ...(sends !== undefined && { sends }) }]
    }),
  )
}

const shapeOf = (content: Record<string, { schema: Json }> | undefined): string | undefined =>
  content === undefined
    ? undefined
    : Object.entries(content)
        .map(([type, { schema }]) => `${type}: ${schemaLine(schema)}`)
        .join('; or ')

const WHO: Readonly<Record<string, string>> = { client: 'a registered client, by its secret', admin: 'an access token with' }
const whoMay = (security: Operation['security']): string =>
  security.length === 0
    ? 'anybody'
    : security.flatMap((one) => Object.entries(one).map(([name, scopes]) => [WHO[name] ?? name, ...scopes].join(' '))).join(', or ')

const anchor = ({ method, path }: Operation): string => `${method}-${path}`.replace(/[^\w-]+/g, '-')

const Shown = ({ operation }: { operation: Operation }) => (
  <details id={anchor(operation)}>
    <summary>
      <code>
        {operation.method} {operation.path}
      </code>{' '}
      {operation.summary}
    </summary>
    <div class="stack">
      {operation.description === undefined ? null : <p>{operation.description}</p>}
      <p>
        For {whoMay(operation.security)}.{operation.sends === undefined ? null : ' Send '}
        {operation.sends === undefined ? null : <code>{operation.sends}</code>}
      </p>
      {operation.parameters.length === 0 ? null : (
        <ul class="bullets">
          {operation.parameters.map((one) => (
            <li>
              <code>{one.name}</code> ({one.in}) {one.description ?? schemaLine(one.schema ?? {})}
            </li>
          ))}
        </ul>
      )}
      <ul class="bullets">
        {operation.answers.map((one) => (
          <li>
            <strong>{one.status}</strong> {one.description} {one.shape === undefined ? null : <code>{one.shape}</code>}
          </li>
        ))}
      </ul>
    </div>
  </details>
)

export function openApiPage(c: Context, document: Document, config: PageOptions['config']): Response {
  const operations = operationsOf(document)
  const { tags, components } = document
  return page(
    c,
    { title: 'API of the broker', wide: true, config },
    <>
      <p>
        Every endpoint of the broker. For programs: <a href="/openapi.json">openapi.json</a>. For OpenID Connect libraries:{' '}
        <a href="/.well-known/openid-configuration">openid-configuration</a>.
      </p>
      {tags.map(({ name, description }) => (
        <section class="stack" aria-labelledby={`tag-${name}`}>
          <h2 id={`tag-${name}`}>{name}</h2>
          <p class="soft">{description}</p>
          {operations
            .filter((one) => one.tags.includes(name))
            .map((one) => (
              <Shown operation={one} />
            ))}
        </section>
      ))}
      <section class="stack" aria-labelledby="shapes">
        <h2 id="shapes">Shapes</h2>
        {Object.entries(components.schemas).map(([name, schema]) => (
          <details id={`shape-${name}`}>
            <summary>
              <code>{name}</code>
            </summary>
            <p>
              <code>{schemaLine(schema)}</code>
            </p>
          </details>
        ))}
      </section>
    </>,
  )
}
