import { readFile } from 'node:fs/promises'
import { AUTH_METHODS } from '../../protocol/client-metadata.ts'
import { MEMBERS } from '../../protocol/texts/members.ts'
import { type CommandFailure, type Json, misused } from './broker.ts'
import { type Called, option, repeatable } from './context.ts'
import { OPTION } from './texts/options.ts'

export interface WithFile {
  metadata?: string
}

/** The options that are members of a registration. */
export const METADATA = {
  client_name: option('--name <name>', MEMBERS.client_name),
  redirect_uris: repeatable('--redirect-uri <uri>', MEMBERS.redirect_uris),
  post_logout_redirect_uris: repeatable(
    '--post-logout-redirect-uri <uri>',
    MEMBERS.post_logout_redirect_uris,
  ),
  backchannel_logout_uris: repeatable('--logout-uri <uri>', MEMBERS.backchannel_logout_uris),
  logout_by: option('--logout-by <claim>', MEMBERS.logout_by).choices(['sid', 'sub']),
  token_endpoint_auth_method: option(
    '--auth-method <method>',
    MEMBERS.token_endpoint_auth_method,
  ).choices(AUTH_METHODS),
  grant_types: repeatable('--grant <type>', MEMBERS.grant_types),
  scope: option('--scope <scopes>', MEMBERS.scope),
  audience: option('--audience <uri>', MEMBERS.audience),
}
export const METADATA_FILE = option('--metadata <file>', OPTION.metadata)

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
