import { Option, type Command } from 'commander'
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { newClientSecret } from '../client/secret.ts'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { asJson, examples, queryOf, repeated, type Context } from './context.ts'
import { columns, lines, time } from './show.ts'

type ClientShown = Json & { client_id: string; client_name: string; source: string; token_endpoint_auth_method: string; redirect_uris: string[]; backchannel_logout_uris: string[]; client_secret?: string }

/** Instances: registering them, their secrets, removing them. */
export function clientCommands(program: Command, context: Context): void {
  const clients = program.command('clients').description('Case Manager instances (OAuth clients).')
  readingCommands(clients, context)
  addCommand(clients, context)
  updateCommand(clients, context)
  secretCommands(clients, context)
  removeCommand(clients, context)
}

function readingCommands(clients: Command, context: Context): void {
  clients
    .command('list')
    .description('Every client that is registered.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ clients: ClientShown[] }>('/clients')
      context.print(command, answer, () =>
        answer.clients.length === 0 ? 'None yet: cmb clients add --help\n' : columns(['CLIENT', 'NAME', 'FROM', 'AUTHENTICATES BY', 'LOGOUT ADDRESSES'], answer.clients.map((one) => [one.client_id, one.client_name, one.source, one.token_endpoint_auth_method, one.backchannel_logout_uris.length])),
      )
    })
  clients
    .command('show <client>')
    .description('One client, with all that it is registered with (no secret: those are shown once, when they are made).')
    .addOption(asJson())
    .action(async (client: string, _options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<ClientShown>(`/clients/${encodeURIComponent(client)}`)
      context.print(command, answer, () => clientWords(answer))
    })
}

function clientWords(client: ClientShown): string {
  const { client_secret: secret, ...rest } = client
  const words = lines(Object.entries(rest).map(([name, value]) => [name, name.endsWith('_at') ? time(value) : typeof value === 'object' ? JSON.stringify(value) : String(value)]))
  return secret === undefined ? words : `${words}\nIts secret, shown this once and kept nowhere in clear:\n${secret}\n`
}

interface MetadataOptions {
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

const withMetadata = (command: Command): Command =>
  command
    .option('--metadata <file>', 'a registration as JSON or YAML (names of RFC 7591; docs/configuration.md); - reads standard input. Options beside it win')
    .option('--name <name>', 'shown to people')
    .option('--redirect-uri <uri>', 'where sign-in returns to, letter by letter (repeatable)', repeated)
    .option('--post-logout-redirect-uri <uri>', 'where sign-out may return to (repeatable)', repeated)
    .option('--logout-uri <uri>', 'where logout tokens are delivered (repeatable: each is told)', repeated)
    .addOption(new Option('--logout-by <claim>', "what a logout token names: each session's sid, or sub once (with the guard)").choices(['sid', 'sub']))
    .addOption(new Option('--auth-method <method>', 'how it authenticates').choices(['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none']))
    .option('--grant <type>', 'a grant type it may use (repeatable)', repeated)
    .option('--scope <scopes>', 'scopes it may ask for, separated by spaces')
    .option('--audience <uri>', 'the aud of its access tokens')
    .addOption(asJson())

async function metadataOf(context: Context, options: MetadataOptions): Promise<Json> {
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
  return { ...base, ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) }
}

/** JSON is YAML too. */
async function readMetadata(context: Context, file: string): Promise<Json> {
  const unusable = (why: string): CommandFailure => new CommandFailure(EXIT.usage, `--metadata ${file}: ${why}`)
  const text = file === '-' ? await context.terminal.input() : await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => Promise.reject(unusable(`it cannot be read (${error.code ?? 'error'}).`)))
  let value: unknown
  try {
    value = parse(text)
  } catch (error) {
    throw unusable(`it is neither JSON nor YAML: ${error instanceof Error ? error.message : ''}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unusable('it has to hold one registration, a mapping.')
  return value as Json
}

function addCommand(clients: Command, context: Context): void {
  examples(
    withMetadata(clients.command('add <client>').description('Register a client. Its secret is printed once.')).action(async (client: string, options: MetadataOptions, command: Command) => {
      const metadata = await metadataOf(context, options)
      const answer = await (await context.broker(command)).send<ClientShown>('POST', '/clients', { ...metadata, client_id: client })
      context.print(command, answer, () => clientWords(answer))
    }),
    'cmb clients add sydney --name "Case Manager Sydney" \\\n    --redirect-uri https://sydney.case-manager.example/oidc/callback \\\n    --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
    'cmb clients add reports --metadata reports.yaml --json',
  )
}

function updateCommand(clients: Command, context: Context): void {
  examples(
    withMetadata(clients.command('update <client>').description('Change what is named, and keep the rest. A list replaces the list there was.')).action(async (client: string, options: MetadataOptions, command: Command) => {
      const metadata = await metadataOf(context, options)
      if (Object.keys(metadata).length === 0) throw new CommandFailure(EXIT.usage, 'Say what to change; cmb clients update --help lists what can be.')
      const answer = await (await context.broker(command)).send<ClientShown>('PATCH', `/clients/${encodeURIComponent(client)}`, metadata)
      context.print(command, answer, () => clientWords(answer))
    }),
    'cmb clients update sydney --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
  )
}

function secretCommands(clients: Command, context: Context): void {
  examples(
    clients
      .command('rotate-secret <client>')
      .description('Make another secret, printed once. The one before stays good beside it; a third ends the first.')
      .addOption(asJson())
      .action(async (client: string, _options: unknown, command: Command) => {
        const answer = await (await context.broker(command)).send<ClientShown>('POST', `/clients/${encodeURIComponent(client)}/secrets`)
        context.print(command, answer, () => `The new secret of ${client}, shown this once and kept nowhere in clear:\n${answer.client_secret}\nThe one before is good until it is removed, or until the next rotation.\n`)
      }),
    'cmb clients rotate-secret sydney',
  )
  clients
    .command('new-secret')
    .description('Make a secret and its hash for the clients file. Asks no broker and registers nothing.')
    .addOption(asJson())
    .action((_options: unknown, command: Command) => {
      const { secret, hash } = newClientSecret(randomBytes, 0)
      context.print(command, { client_secret: secret, client_secret_hash: hash.hash }, () => `client_secret:      ${secret}\nclient_secret_hash: ${hash.hash}\nGive the instance the secret; the clients file needs the hash alone.\n`)
    })
}

function removeCommand(clients: Command, context: Context): void {
  examples(
    clients
      .command('remove <client>')
      .description('Remove a client and end all it holds: its tokens are refused at once, and it is told.')
      .addOption(new Option('--source <source>', 'where it was registered, if not by this command').choices(['file', 'command', 'api', 'demo']))
      .option('--yes', 'do not ask')
      .addOption(asJson())
      .action(async (client: string, options: { source?: string; yes?: boolean }, command: Command) => {
        const broker = await context.broker(command)
        if (options.yes !== true) {
          if (context.terminal.ask === undefined) throw new CommandFailure(EXIT.usage, `Removing ${client} ends every session's part there. Say --yes if that is meant; nothing was done.`)
          if ((await context.terminal.ask(`This removes ${client} and ends every session's part there. Type its name to do it: `)) !== client) throw new CommandFailure(EXIT.failed, 'Nothing was done.')
        }
        const answer = await broker.send<{ seq: number; notes: string[] }>('DELETE', `/clients/${encodeURIComponent(client)}${queryOf({ source: options.source })}`)
        context.print(command, answer, () => [`${client} is removed; revocation number ${answer.seq}.`, ...answer.notes, ''].join('\n'))
      }),
    'cmb clients remove sydney',
    'cmb clients remove sydney --source file --yes',
  )
}
