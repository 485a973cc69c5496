import { readFile } from 'node:fs/promises'
import { type CommandFailure, type Json, misused } from './broker.ts'
import { type Called, option, repeated } from './context.ts'

export interface WithFile {
  metadata?: string
}

/** The options that are members of a registration. */
export const METADATA = {
  client_name: option('--name <name>', 'shown to users'),
  redirect_uris: option(
    '--redirect-uri <uri>',
    'where sign-in returns to; an exact match (repeatable)',
  ).argParser(repeated),
  post_logout_redirect_uris: option(
    '--post-logout-redirect-uri <uri>',
    'where sign-out may return to (repeatable)',
  ).argParser(repeated),
  backchannel_logout_uris: option(
    '--logout-uri <uri>',
    'where logout tokens are delivered (repeatable: each gets every token)',
  ).argParser(repeated),
  logout_by: option(
    '--logout-by <claim>',
    "what a logout token names: each session's sid, or sub once (with the guard)",
  ).choices(['sid', 'sub']),
  token_endpoint_auth_method: option('--auth-method <method>', 'how it authenticates').choices([
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    'none',
  ]),
  grant_types: option('--grant <type>', 'a grant type that it may use (repeatable)').argParser(
    repeated,
  ),
  scope: option('--scope <scopes>', 'scopes that it may ask for, separated by spaces'),
  audience: option('--audience <uri>', 'the aud of its access tokens'),
}
export const METADATA_FILE = option(
  '--metadata <file>',
  'a registration as JSON or YAML (names of RFC 7591; docs/clients.md); - reads standard input. Other options override it',
)

/** Reads the file of `--metadata`, if it is given. The YAML parser reads JSON too. */
export async function fromFile({ context, options: { metadata: file } }: Called<WithFile>) {
  if (file === undefined) return {}
  const unusable = (why: string): CommandFailure => misused(`--metadata ${file}: ${why}`)
  const text =
    file === '-'
      ? await context.terminal.input()
      : await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) =>
          Promise.reject(unusable(`it cannot be read (${error.code ?? 'error'}).`)),
        )
  // In the bundle, a CommonJS package has only the default export.
  const { default: yaml } = await import('yaml')
  let value: unknown
  try {
    value = yaml.parse(text)
  } catch (error) {
    throw unusable(`it is neither JSON nor YAML: ${error instanceof Error ? error.message : ''}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unusable('it must hold one registration, as a mapping.')
  return value as Json
}
