import { Option, type Command } from 'commander'
import { readFile } from 'node:fs/promises'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { repeated, type Context } from './context.ts'

export interface MetadataOptions {
  metadata?: string
  name?: string
  redirectUri?: string[]
  postLogoutRedirectUri?: string[]
  logoutUri?: string[]
  logoutBy?: string
  authMethod?: string
  grant?: string[]
  scope?: string
  audience?: string
}

export const withMetadata = (command: Command): Command =>
  command
    .option(
      '--metadata <file>',
      'a registration as JSON or YAML (names of RFC 7591; docs/clients.md); - reads standard input. Other options override it',
    )
    .option('--name <name>', 'shown to users')
    .option(
      '--redirect-uri <uri>',
      'where sign-in returns to; an exact match (repeatable)',
      repeated,
    )
    .option(
      '--post-logout-redirect-uri <uri>',
      'where sign-out may return to (repeatable)',
      repeated,
    )
    .option(
      '--logout-uri <uri>',
      'where logout tokens are delivered (repeatable: each gets every token)',
      repeated,
    )
    .addOption(
      new Option(
        '--logout-by <claim>',
        "what a logout token names: each session's sid, or sub once (with the guard)",
      ).choices(['sid', 'sub']),
    )
    .addOption(
      new Option('--auth-method <method>', 'how it authenticates').choices([
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ]),
    )
    .option('--grant <type>', 'a grant type that it may use (repeatable)', repeated)
    .option('--scope <scopes>', 'scopes that it may ask for, separated by spaces')
    .option('--audience <uri>', 'the aud of its access tokens')

/**
 * Returns a registration's metadata: that of the file, if one is named, overridden by the options.
 */
export async function metadataOf(context: Context, options: MetadataOptions): Promise<Json> {
  const base = options.metadata === undefined ? {} : await readMetadata(context, options.metadata)
  const given: Json = {
    client_name: options.name,
    redirect_uris: options.redirectUri,
    post_logout_redirect_uris: options.postLogoutRedirectUri,
    backchannel_logout_uris: options.logoutUri,
    logout_by: options.logoutBy,
    token_endpoint_auth_method: options.authMethod,
    grant_types: options.grant,
    scope: options.scope,
    audience: options.audience,
  }
  return {
    ...base,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
  }
}

/** Reads a metadata file. The YAML parser reads JSON too. */
async function readMetadata(context: Context, file: string): Promise<Json> {
  const unusable = (why: string): CommandFailure =>
    new CommandFailure(EXIT.usage, `--metadata ${file}: ${why}`)
  const text =
    file === '-'
      ? await context.terminal.input()
      : await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) =>
          Promise.reject(unusable(`it cannot be read (${error.code ?? 'error'}).`)),
        )
  const { parse } = await import('yaml')
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw unusable(`it is neither JSON nor YAML: ${error instanceof Error ? error.message : ''}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw unusable('it must hold one registration, as a mapping.')
  return value as Json
}
