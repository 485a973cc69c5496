import type { Context, Hono } from 'hono'
import type { Caller } from '../../audit/caller.ts'
import { Problem } from '../../audit/problem.ts'
import { download } from '../../pages/download.ts'
import { described } from '../../protocol/described.ts'
import type { Checks } from '../checks/checks.ts'
import type { Deps } from '../deps.ts'
import { JSON_LINES, Lines, type Route } from '../contract/route.ts'
import { answeredOnce } from './idempotent.ts'

/** Offers an act of the contract over HTTP: reads its request and writes its answer. */

export interface AdminEnv {
  Variables: { caller: Caller }
}

export function mount(
  api: Hono<AdminEnv>,
  needs: { deps: Deps; checks: Checks },
  { at, definition, description, ...act }: Route,
): void {
  const [method = '', path = ''] = at.split(' ')
  const { body, bodyOptional, repeatable } = definition
  const handler = async (c: Context<AdminEnv>): Promise<Response> => {
    const caller = act.admit(c.get('caller') as Caller | undefined)
    const wire = body && (await jsonBody(c, bodyOptional))
    const members = act.read({ params: c.req.param(), query: once(c), wire })
    const answer = async (): Promise<Response> => {
      const [result, status] = await act.carryOut(needs, caller, members)
      return result instanceof Lines
        ? download(result.lines, JSON_LINES, result.file)
        : c.json(result, status as 200)
    }
    return repeatable ? answeredOnce(needs.deps, caller, members.wire, c, answer) : answer()
  }
  api.on(method, `/admin/v1${path}`, described(description, handler))
}

/** Returns the query parameters. @throws Problem 400 for a repeated parameter */
function once(c: Context): Record<string, string> {
  const given = Object.entries(c.req.queries())
  const repeated = given
    .filter(([, values]) => values.length > 1)
    .map(([name]) => `${name}: send it once`)
  if (repeated.length > 0)
    throw new Problem(400, 'The request has a problem', `${repeated.join('. ')}.`, repeated)
  return Object.fromEntries(given.map(([name, [value = '']]) => [name, value]))
}

const MAX_BYTES = 256 * 1024

/** Parses the body. @throws Problem 413, 415, or 400 for invalid JSON */
async function jsonBody(c: Context, isOptional: boolean | undefined): Promise<unknown> {
  const header = c.req.header('content-type')
  if (isOptional && header === undefined) return {}
  const type = header?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/json' && type !== 'application/merge-patch+json')
    throw new Problem(415, 'Not JSON', 'Send the body as application/json.')
  const text = await bounded(c.req.raw.body)
  if (isOptional && text === '') return {}
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new Problem(
      400,
      'Not JSON',
      'The body is not valid JSON. Check for a missing quote or an extra comma.',
    )
  }
}

/** Reads a body up to the limit. A missing or false Content-Length does not matter. */
async function bounded(body: ReadableStream<Uint8Array> | null): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength
    if (bytes > MAX_BYTES)
      throw new Problem(413, 'Too large', `Send a body of at most ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
