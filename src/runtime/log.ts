import { requestFields } from './request-context.ts'

/**
 * One JSON line an event, to standard output. Secrets, tokens, codes and cookies have no business
 * here; who logs an error logs its name, message and stack.
 */

/** A client has one name in every line. */
interface OneName {
  client?: never
  clientId?: never
  client_id?: string | undefined
}

type Fields = OneName & Record<string, string | number | boolean | null | undefined | string[]>

/** `cause` is what went wrong: its name, message and stack are logged. */
type FieldsWithCause = OneName & { cause?: unknown; [name: string]: unknown }

export interface Log {
  info(event: string, fields?: Fields): void
  warn(event: string, fields?: Fields): void
  error(event: string, fields?: FieldsWithCause): void
}

type Level = 'info' | 'warn' | 'error'

/**
 * What looks like a secret of ours is cut out, whatever brought it here: JWTs, refresh tokens,
 * client secrets, what addresses hold (a code, a password), credentials of a header, cookies. A
 * second safeguard, not the first.
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

/** The chain of causes, each with its name and message; the stack of the outermost. */
function describe(cause: unknown): Record<string, string> {
  if (!(cause instanceof Error)) return { cause: clean(String(cause)) }
  const chain: string[] = []
  for (let error: unknown = cause; error instanceof Error && chain.length < 5; error = error.cause)
    chain.push(`${error.name}: ${error.message}`)
  return { cause: clean(chain.join(' <- ')), stack: clean(cause.stack ?? '') }
}

/** A line that is written while a request is answered names the request. */
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
