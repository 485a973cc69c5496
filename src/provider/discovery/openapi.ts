import type { Hono } from 'hono'
import { generateSpecs } from 'hono-openapi'
import type { Config } from '../../config/config.ts'
import type { Json } from '../../protocol/described.ts'
import { explained } from '../../protocol/explained.ts'
import { webhookJsonSchema } from '../../protocol/webhook-event.ts'
import { TAGS } from '../texts/described.ts'

/** Generates the OpenAPI 3.1 document from the described routes of both listeners. */

export interface Document {
  paths: Record<string, Json>
  components: { schemas: Record<string, Json>; securitySchemes: Json }
  tags: { name: string; description: string }[]
  [member: string]: unknown
}

export async function openApiDocument(
  config: Pick<Config, 'issuer' | 'opsOrigin'>,
  { app, opsApp }: { app: Hono; opsApp: Hono },
): Promise<Document> {
  const [open, operators] = await Promise.all(
    [app, opsApp].map((api) => generateSpecs(api, { excludeStaticFile: false })),
  )
  const servers = [
    {
      url: config.opsOrigin,
      description: 'The operators’ listener, which the public network does not reach',
    },
  ]
  const theirs = Object.entries(operators?.paths ?? {}).filter(
    ([path]) => open?.paths[path] === undefined,
  )
  return {
    openapi: '3.1.0',
    info: {
      title: 'Case Manager Identity Broker',
      version: '1',
      summary: 'OpenID Connect and OAuth, the revocation feed, the admin API, signals and health.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: config.issuer, description: 'The public listener' }],
    tags: TAGS,
    paths: explained({
      ...open?.paths,
      ...Object.fromEntries(theirs.map(([path, item]) => [path, { servers, ...item }])),
    }),
    webhooks: webhooks(),
    components: {
      schemas: withKinds({
        ...open?.components.schemas,
        ...operators?.components.schemas,
      } as Record<string, Json>),
      securitySchemes: securitySchemes(config.issuer),
    },
  }
}

/**
 * Adds a discriminator (OpenAPI 3.1 §4.8.25), so that generated clients have one type for each kind
 * of selector.
 */
function withKinds(schemas: Record<string, Json>): Record<string, Json> {
  const { Selector } = schemas
  const refs = ((Selector?.oneOf ?? []) as { $ref: string }[]).map(({ $ref }) => $ref)
  const mapping = Object.fromEntries(
    refs.map((ref) => [(/(\w+)Selector$/.exec(ref)?.[1] ?? '').toLowerCase(), ref]),
  )
  const all = {
    ...schemas,
    Selector: { ...Selector, discriminator: { propertyName: 'kind', mapping } },
  }
  return Object.fromEntries(
    Object.entries(all).map(([name, schema]) => [name, explained(schema, name)]),
  )
}

/** Describes each type of webhook message (OpenAPI 3.1 §4.8.1) with the document's own schemas. */
function webhooks(): Json {
  const { oneOf } = JSON.parse(
    JSON.stringify(webhookJsonSchema()).replaceAll('#/$defs/', '#/components/schemas/'),
  ) as { oneOf: Json[] }
  const item = ({ title, description, ...schema }: Json) => {
    const requestBody = { required: true, content: { 'application/json': { schema } } }
    return [
      title,
      {
        post: {
          summary: description,
          tags: ['webhooks'],
          requestBody,
          responses: { '2XX': { description: 'The message is not sent again.' } },
        },
      },
    ]
  }
  return Object.fromEntries(oneOf.map(item)) as Json
}

const securitySchemes = (issuer: string): Json => ({
  client: {
    type: 'http',
    scheme: 'basic',
    description: 'A registered client’s id and secret (RFC 6749 §2.3.1).',
  },
  access: { type: 'http', scheme: 'bearer', description: 'An access token of a user.' },
  admin: {
    type: 'oauth2',
    description: 'An access token by client credentials, for a client with one of the scopes.',
    flows: {
      clientCredentials: {
        tokenUrl: `${issuer}/token`,
        scopes: {
          'broker:audit': 'reads',
          'broker:operate': 'also redrives, and locks a user for a day',
          'broker:administer': 'also revokes, registers and rotates',
        },
      },
    },
  },
  ssf: {
    type: 'oauth2',
    description:
      'An access token by client credentials, for a client that receives security events.',
    flows: {
      clientCredentials: {
        tokenUrl: `${issuer}/token`,
        scopes: { 'ssf.read': 'reads and polls', 'ssf.manage': 'also manages the stream' },
      },
    },
  },
})
