import { Option, type Command } from 'commander'
import { randomBytes } from 'node:crypto'
import { newClientSecret } from '../../clients/secret.ts'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { metadataOf, withMetadata, type MetadataOptions } from './client-metadata.ts'
import { asJson, examples, queryOf, type Context } from './context.ts'
import { sendAgreed } from './preview.ts'
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

/** Instances: registering them, their secrets, removing them. */
export function clientCommands(program: Command, context: Context): void {
  const clients = program.command('clients').description('Manage Case Manager instances (OAuth clients).')
  readingCommands(clients, context)
  addCommand(clients, context)
  updateCommand(clients, context)
  secretCommands(clients, context)
  removeSecretCommand(clients, context)
  schemaCommand(clients, context)
  removeCommand(clients, context)
}

function readingCommands(clients: Command, context: Context): void {
  clients
    .command('list')
    .description('List every registered client.')
    .addOption(asJson())
    .action(async (_options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<{ clients: ClientShown[] }>('/clients')
      context.print(command, answer, () =>
        answer.clients.length === 0
          ? 'None yet: cmb clients add --help\n'
          : columns(
              ['CLIENT', 'NAME', 'FROM', 'AUTHENTICATES BY', 'LOGOUT ADDRESSES'],
              answer.clients.map((one) => [
                one.client_id,
                one.client_name,
                one.source,
                one.token_endpoint_auth_method,
                one.backchannel_logout_uris.length,
              ]),
            ),
      )
    })
  clients
    .command('show <client>')
    .description('Show the registration of one client. A secret is shown only when it is made.')
    .addOption(asJson())
    .action(async (client: string, _options: unknown, command: Command) => {
      const answer = await (await context.broker(command)).get<ClientShown>(`/clients/${encodeURIComponent(client)}`)
      context.print(command, answer, () => clientWords(answer))
    })
}

function clientWords(client: ClientShown): string {
  const { client_secret: secret, ...rest } = client
  const words = lines(
    Object.entries(rest).map(([name, value]) => [
      name,
      name.endsWith('_at') ? time(value) : typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  )
  return secret === undefined ? words : `${words}\nIts secret, shown only this once and stored as a hash only:\n${secret}\n`
}

function addCommand(clients: Command, context: Context): void {
  examples(
    withMetadata(clients.command('add <client>').description('Register a client. Its secret is printed once.')).action(
      async (client: string, options: MetadataOptions, command: Command) => {
        const metadata = await metadataOf(context, options)
        const answer = await (await context.broker(command)).send<ClientShown>('POST', '/clients', { ...metadata, client_id: client })
        context.print(command, answer, () => clientWords(answer))
      },
    ),
    'cmb clients add sydney --name "Case Manager Sydney" \\\n    --redirect-uri https://sydney.case-manager.example/oidc/callback \\\n    --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
    'cmb clients add reports --metadata reports.yaml --json',
  )
}

function updateCommand(clients: Command, context: Context): void {
  examples(
    withMetadata(
      clients
        .command('update <client>')
        .description('Change the given fields and keep the others. A list replaces the former list.')
        .option('--dry-run', 'show in how many sessions its part ends at once by a lower max_authentication_age, and change nothing')
        .option('--yes', 'do not ask (a max_authentication_age that ends sessions asks)'),
    ).action(async (client: string, { dryRun, yes, ...options }: MetadataOptions & { dryRun?: boolean; yes?: boolean }, command: Command) => {
      const metadata = await metadataOf(context, options)
      if (Object.keys(metadata).length === 0)
        throw new CommandFailure(EXIT.usage, 'Name at least one field to change. cmb clients update --help lists them.')
      const request = { method: 'PATCH', path: `/clients/${encodeURIComponent(client)}`, body: metadata } as const
      const answer = await sendAgreed<ClientShown>(context, command, request, { ask: 'if_sessions_end', dryRun, yes })
      if (answer !== undefined) context.print(command, answer, () => clientWords(answer))
    }),
    'cmb clients update sydney --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
  )
}

function secretCommands(clients: Command, context: Context): void {
  examples(
    clients
      .command('rotate-secret <client>')
      .description('Make another secret, printed once. The former one stays valid; a third secret removes the first.')
      .addOption(asJson())
      .action(async (client: string, _options: unknown, command: Command) => {
        const answer = await (await context.broker(command)).send<ClientShown>('POST', `/clients/${encodeURIComponent(client)}/secrets`)
        context.print(
          command,
          answer,
          () =>
            `The new secret of ${client}, shown only this once and stored as a hash only:\n${answer.client_secret}\nThe former secret is valid until it is removed, or until the next rotation.\n`,
        )
      }),
    'cmb clients rotate-secret sydney',
  )
  clients
    .command('new-secret')
    .description('Make a secret and its hash for the clients file. Needs no broker and registers nothing.')
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

function removeSecretCommand(clients: Command, context: Context): void {
  examples(
    clients
      .command('remove-secret <client> <secret>')
      .description('Remove one secret of a client at once, by its id: cmb clients show lists them, the older first.')
      .addOption(asJson())
      .action(async (client: string, secret: string, _options: unknown, command: Command) => {
        const path = `/clients/${encodeURIComponent(client)}/secrets/${encodeURIComponent(secret)}`
        const answer = await (await context.broker(command)).send('DELETE', path)
        context.print(command, answer, () => `The secret ${secret} of ${client} is removed.\n`)
      }),
    'cmb clients remove-secret sydney 8f0c…',
  )
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

function removeCommand(clients: Command, context: Context): void {
  examples(
    clients
      .command('remove <client>')
      .description('Remove a client and revoke its tokens at once. The broker sends it logout tokens.')
      .addOption(new Option('--source <source>', 'where it was registered, if not by this command').choices(['file', 'command', 'api', 'demo']))
      .option('--yes', 'do not ask')
      .addOption(asJson())
      .action(async (client: string, options: { source?: string; yes?: boolean }, command: Command) => {
        const broker = await context.broker(command)
        if (options.yes !== true) {
          if (context.terminal.ask === undefined)
            throw new CommandFailure(EXIT.usage, `Removing ${client} ends every session's part there. Nothing was done. Add --yes to do it.`)
          if ((await context.terminal.ask(`This removes ${client} and ends every session's part there. Type its name to do it: `)) !== client)
            throw new CommandFailure(EXIT.failed, 'Nothing was done.')
        }
        const answer = await broker.send<{ seq: number; notes: string[] }>(
          'DELETE',
          `/clients/${encodeURIComponent(client)}${queryOf({ source: options.source })}`,
        )
        context.print(command, answer, () => [`${client} is removed; revocation number ${answer.seq}.`, ...answer.notes, ''].join('\n'))
      }),
    'cmb clients remove sydney',
    'cmb clients remove sydney --source file --yes',
  )
}
