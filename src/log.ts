/** One JSON line an event, to standard output. Secrets, tokens, codes and cookies have no business here; who logs an error logs its name, message and stack. */

export type Fields = Record<string, string | number | boolean | null | undefined | string[]>

/** `cause` is what went wrong: its name, message and stack are logged. */
export type FieldsWithCause = { cause?: unknown; [name: string]: unknown }

export interface Log {
  info(event: string, fields?: Fields): void
  warn(event: string, fields?: Fields): void
  error(event: string, fields?: FieldsWithCause): void
}

type Level = 'info' | 'warn' | 'error'

/** What looks like one of our secrets or a JWT is cut out, whatever brought it here: a second fence, not the first. */
const SECRET =
  /eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|cm[rs]_[\w-]{20,}|(?:[?&](?:code|state|token|id_token_hint|client_secret|refresh_token|logout_token)=)[^&\s"]+/g

const clean = (text: string): string => text.replace(SECRET, '[removed]')

/** The chain of causes, each with its name and message; the stack of the outermost. */
function describe(cause: unknown): Record<string, string> {
  if (!(cause instanceof Error)) return { cause: clean(String(cause)) }
  const chain: string[] = []
  for (let error: unknown = cause; error instanceof Error && chain.length < 5; error = error.cause) chain.push(`${error.name}: ${error.message}`)
  return { cause: clean(chain.join(' <- ')), stack: clean(cause.stack ?? '') }
}

export function createLog(write: (line: string) => void, nowMs: () => number): Log {
  const line = (level: Level, event: string, fields: FieldsWithCause = {}): void => {
    const { cause, ...rest } = fields
    const entry: Record<string, unknown> = { at: new Date(nowMs()).toISOString(), level, event }
    for (const [name, value] of Object.entries(rest)) entry[name] = typeof value === 'string' ? clean(value) : value
    if (cause !== undefined) Object.assign(entry, describe(cause))
    write(JSON.stringify(entry))
  }
  return {
    info: (event, fields) => line('info', event, fields),
    warn: (event, fields) => line('warn', event, fields),
    error: (event, fields) => line('error', event, fields),
  }
}
