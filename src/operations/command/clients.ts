import { Option, type Command } from 'commander'
import { randomBytes } from 'node:crypto'
import { newClientSecret } from '../../clients/secret.ts'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { metadataOf, withMetadata, type MetadataOptions } from './client-metadata.ts'
import { agree, asJson, type Called, type Context, path, queryOf, verb } from './context.ts'
import { type Agreeing, sendAgreed } from './preview.ts'
import { columns, json, lines, time } from './show.ts'

type ClientShown = Json & {
  client_id: string
  client_name: string
  source: string
  token_endpoint_auth_method: string
  redirect_uris: string[]
  backchannel_logout_uris: string[]
  client_secret?: string
}

/** Defines `cmb clients`: registering instances, their secrets, and removing them. */
export function clientCommands(program: Command, context: Context): void {
  const clients = program
    .command('clients')
    .description('Manage Case Manager instances (OAuth clients).')
  readingCommands(clients, context)
  addCommand(clients, context)
  updateCommand(clients, context)
  secretCommands(clients, context)
  schemaCommand(clients, context)
  removingCommands(clients, context)
}

function readingCommands(clients: Command, context: Context): void {
  verb(clients, context, {
    name: 'list',
    about: 'List every registered client.',
    ask: (broker) => broker.get<{ clients: ClientShown[] }>('/clients'),
    words: (answer) =>
      columns(
        ['CLIENT', 'NAME', 'FROM', 'AUTHENTICATES BY', 'LOGOUT ADDRESSES'],
        answer.clients.map((one) => [
          one.client_id,
          one.client_name,
          one.source,
          one.token_endpoint_auth_method,
          one.backchannel_logout_uris.length,
        ]),
        'None yet: cmb clients add --help',
      ),
  })
  verb(clients, context, {
    name: 'show <client>',
    about: 'Show the registration of one client. A secret is shown only when it is made.',
    ask: (broker, { id }) => broker.get<ClientShown>(path`/clients/${id}`),
    words: clientWords,
  })
}

function clientWords(client: ClientShown): string {
  const { client_secret: secret, ...rest } = client
  const words = lines(
    Object.entries(rest).map(([name, value]) => [
      name,
      name.endsWith('_at')
        ? time(value)
        : typeof value === 'string'
          ? value
          : JSON.stringify(value),
    ]),
  )
  return secret === undefined
    ? words
    : `${words}\nIts secret, shown only this once and stored as a hash only:\n${secret}\n`
}

function addCommand(clients: Command, context: Context): void {
  verb(clients, context, {
    name: 'add <client>',
    about: 'Register a client. Its secret is printed once.',
    options: withMetadata,
    ask: async (broker, { id, options }: Called<MetadataOptions>) =>
      broker.send<ClientShown>('POST', '/clients', {
        ...(await metadataOf(context, options)),
        client_id: id,
      }),
    words: clientWords,
    examples: [
      'cmb clients add sydney --name "Case Manager Sydney" \\\n    --redirect-uri https://sydney.case-manager.example/oidc/callback \\\n    --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
      'cmb clients add reports --metadata reports.yaml --json',
    ],
  })
}

function updateCommand(clients: Command, context: Context): void {
  verb(clients, context, {
    name: 'update <client>',
    about: 'Change the given fields and keep the others. A list replaces the former list.',
    options: (command) =>
      withMetadata(
        command
          .option(
            '--dry-run',
            'show in how many sessions its part ends at once by a lower max_authentication_age, and change nothing',
          )
          .option('--yes', 'do not ask (a max_authentication_age that ends sessions asks)'),
      ),
    ask: async (broker, called: Called<MetadataOptions & Agreeing>) => {
      const body = await metadataOf(context, called.options)
      if (Object.keys(body).length === 0)
        throw new CommandFailure(
          EXIT.usage,
          'Name at least one field to change. cmb clients update --help lists them.',
        )
      return sendAgreed<ClientShown>(
        broker,
        called,
        { method: 'PATCH', path: path`/clients/${called.id}`, body },
        'if_sessions_end',
      )
    },
    words: clientWords,
    examples: [
      'cmb clients update sydney --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
    ],
  })
}

function secretCommands(clients: Command, context: Context): void {
  verb(clients, context, {
    name: 'rotate-secret <client>',
    about:
      'Make another secret, printed once. The former one stays valid; a third secret removes the first.',
    ask: (broker, { id }) => broker.send<ClientShown>('POST', path`/clients/${id}/secrets`),
    words: ({ client_secret: secret }, { id }) =>
      `The new secret of ${id}, shown only this once and stored as a hash only:\n${secret}\nThe former secret is valid until it is removed, or until the next rotation.\n`,
    examples: ['cmb clients rotate-secret sydney'],
  })
  clients
    .command('new-secret')
    .description(
      'Make a secret and its hash for the clients file. Needs no broker and registers nothing.',
    )
    .addOption(asJson())
    .action((_options: unknown, command: Command) => {
      const { secret, hash } = newClientSecret(randomBytes, 0)
      context.print(
        command,
        { client_secret: secret, client_secret_hash: hash.hash },
        () =>
          `client_secret:      ${secret}\nclient_secret_hash: ${hash.hash}\nGive the instance the secret; the clients file needs only the hash.\n`,
      )
    })
}

function removingCommands(clients: Command, context: Context): void {
  verb(clients, context, {
    name: 'remove-secret <client> <secret>',
    about:
      'Remove one secret of a client at once, by its id: cmb clients show lists them, the older first.',
    ask: (broker, { id, second }) => broker.send('DELETE', path`/clients/${id}/secrets/${second}`),
    words: (_, { id, second }) => `The secret ${second} of ${id} is removed.\n`,
    examples: ['cmb clients remove-secret sydney 8f0c…'],
  })
  verb(clients, context, {
    name: 'remove <client>',
    about: 'Remove a client and revoke its tokens at once. The broker sends it logout tokens.',
    options: (command) =>
      command
        .addOption(
          new Option(
            '--source <source>',
            'where it was registered, if not by this command',
          ).choices(['file', 'command', 'api', 'demo']),
        )
        .option('--yes', 'do not ask'),
    ask: async (
      broker,
      { id, options: { source, yes } }: Called<{ source?: string; yes?: boolean }>,
    ) => {
      const ends = `${id} ends every session's part there.`
      if (yes !== true) await agree(context, `Removing ${ends}`, `Removing ${ends}`, id)
      return broker.send<{ seq: number; notes: string[] }>(
        'DELETE',
        path`/clients/${id}` + queryOf({ source }),
      )
    },
    words: ({ seq, notes }, { id }) =>
      [`${id} is removed; revocation number ${seq}.`, ...notes, ''].join('\n'),
    examples: ['cmb clients remove sydney', 'cmb clients remove sydney --source file --yes'],
  })
}

function schemaCommand(clients: Command, context: Context): void {
  clients
    .command('schema')
    .description('Print the JSON Schema of the clients file. Needs no broker.')
    .action(async () => {
      const { clientsFileJsonSchema } = await import('../../clients/clients-file-schema.ts')
      context.terminal.out(json(clientsFileJsonSchema()))
    })
}
