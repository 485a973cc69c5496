import { requestFields } from './request-context.ts'

/**
 * Writes one line of JSON for each event to standard output. It must never contain secrets, tokens,
 * codes or cookies. An error is logged by its name, message and stack.
 */

/** Fields that give a client the same name, `client_id`, in every line. */
interface OneName {
  client?: never
  clientId?: never
  client_id?: string | undefined
}

type Fields = OneName & Record<string, string | number | boolean | null | undefined | string[]>

/** Fields with an error. The name, message and stack of `cause` are logged. */
type FieldsWithCause = OneName & { cause?: unknown; [name: string]: unknown }

export interface Log {
  info(event: string, fields?: Fields): void
  warn(event: string, fields?: Fields): void
  error(event: string, fields?: FieldsWithCause): void
}

type Level = 'info' | 'warn' | 'error'

/**
 * Text that looks like a secret is removed wherever it comes from: JWTs, refresh tokens, client
 * secrets, codes and passwords in addresses, credentials in headers, cookies. This is a second
 * safeguard, not the first.
 */
const SECRET = new RegExp(
  [
    String.raw`eyJ[\w-]{8,}\.[\w-]+\.[\w-]*`,
    String.raw`cm[rs]_[\w-]{20,}`,
    String.raw`[?&](?:code|state|token|id_token_hint|client_secret|client_assertion|refresh_token|logout_token)=[^&\s"]+`,
    String.raw`\b(?:Basic|Bearer) [\w+/.~=-]{16,}`,
    String.raw`__Host-\w+=[\w.~-]+`,
    String.raw`(?<=:\/\/)[^\s/@:]*:[^\s/@]+(?=@)`,
  ].join('|'),
  'g',
)

const clean = (text: string): string => text.replace(SECRET, '[removed]')
const cleaned = (value: unknown): unknown => {
  if (typeof value === 'string') return clean(value)
  return Array.isArray(value) ? value.map(cleaned) : value
}

/** Returns the names and messages of the chain of causes, and the stack of the outermost error. */
function describe(cause: unknown): Record<string, string> {
  if (!(cause instanceof Error)) return { cause: clean(String(cause)) }
  const chain: string[] = []
  for (let error: unknown = cause; error instanceof Error && chain.length < 5; error = error.cause)
    chain.push(`${error.name}: ${error.message}`)
  return { cause: clean(chain.join(' <- ')), stack: clean(cause.stack ?? '') }
}

/** Creates a log. A line written while a request is answered contains the request's id. */
export function createLog(write: (line: string) => void, nowMs: () => number): Log {
  const line = (level: Level, event: string, fields: FieldsWithCause = {}): void => {
    const { cause, ...rest } = fields
    const entry: Record<string, unknown> = { at: new Date(nowMs()).toISOString(), level, event }
    for (const [name, value] of Object.entries(rest)) entry[name] = cleaned(value)
    if (cause !== undefined) Object.assign(entry, describe(cause))
    for (const [name, value] of Object.entries(requestFields())) entry[name] ??= value
    write(JSON.stringify(entry))
  }
  return {
    info: (event, fields) => line('info', event, fields),
    warn: (event, fields) => line('warn', event, fields),
    error: (event, fields) => line('error', event, fields),
  }
}
