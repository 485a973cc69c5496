import { randomBytes } from 'node:crypto'
import { newClientSecret } from '../../clients/secret.ts'
import { CommandFailure, EXIT } from './broker.ts'
import { fromFile, METADATA, METADATA_FILE, type WithFile } from './client-metadata.ts'
import { type Called, group, JSON_OUTPUT, local, option, sure, verb, YES } from './context.ts'
import { agreed, type Agreeing } from './preview.ts'
import { lockedBy, untilOf } from './locks.ts'
import { json, members, table } from './show.ts'

/** The commands `cmb clients`: registering instances, their secrets, and removing them. */
export const clientCommands = group(
  'clients',
  'Manage Case Manager instances (OAuth clients).',
  verb({
    name: 'list',
    at: 'GET /clients',
    about: 'List every registered client.',
    words: ({ clients }) =>
      table(
        clients,
        {
          CLIENT: 'client_id',
          NAME: 'client_name',
          FROM: 'source',
          'AUTHENTICATES BY': 'token_endpoint_auth_method',
          'LOGOUT ADDRESSES': (one) => one.backchannel_logout_uris.length,
          LOCKED: ({ lock }) =>
            lock &&
            `by ${lockedBy(lock)}, ${lock.case_reference ?? 'no case'}, until ${untilOf(lock)}`,
        },
        'None yet: cmb clients add --help',
      ),
  }),
  verb({
    name: 'show <client>',
    at: 'GET /clients/:id',
    about: 'Show the registration of one client. A secret is shown only when it is made.',
    words: members,
  }),
  verb({
    name: 'add <client>',
    at: 'POST /clients',
    about: 'Register a client. Its secret is printed once.',
    takes: METADATA,
    flags: [METADATA_FILE],
    members: async (called: Called<WithFile>) => ({
      ...(await fromFile(called)),
      client: undefined,
      client_id: called.id,
    }),
    words: members,
    examples: [
      'cmb clients add sydney --name "Case Manager Sydney" \\\n    --redirect-uri https://sydney.case-manager.example/oidc/callback \\\n    --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
      'cmb clients add reports --metadata reports.yaml --json',
    ],
  }),
  verb({
    name: 'update <client>',
    at: 'PATCH /clients/:id',
    about: 'Change the given fields and keep the others. A list replaces the former list.',
    takes: METADATA,
    flags: [
      METADATA_FILE,
      option(
        '--dry-run',
        'show in how many sessions its part ends at once by a lower max_authentication_age, and change nothing',
      ),
      option('--yes', 'do not ask (a max_authentication_age that ends sessions asks)'),
    ],
    members: async (called: Called<WithFile & Agreeing>) => {
      const file = await fromFile(called)
      const given = Object.values(METADATA).map((one) => one.attributeName())
      if (Object.keys(file).length === 0 && !given.some((one) => one in called.options))
        throw new CommandFailure(
          EXIT.usage,
          'Name at least one field to change. cmb clients update --help lists them.',
        )
      return file
    },
    ask: agreed('if_sessions_end'),
    words: members,
    examples: [
      'cmb clients update sydney --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
    ],
  }),
  verb({
    name: 'rotate-secret <client>',
    at: 'POST /clients/:id/secrets',
    about:
      'Make another secret, printed once. The former one stays valid; a third secret removes the first.',
    words: ({ client_secret: secret }, { id }) =>
      `The new secret of ${id}, shown only this once and stored as a hash only:\n${secret}\nThe former secret is valid until it is removed, or until the next rotation.\n`,
    examples: ['cmb clients rotate-secret sydney'],
  }),
  local(
    {
      name: 'new-secret',
      about:
        'Make a secret and its hash for the clients file. Needs no broker and registers nothing.',
      flags: [JSON_OUTPUT],
    },
    ({ context, self }) => {
      const { secret, hash } = newClientSecret(randomBytes, 0)
      context.print(
        self,
        { client_secret: secret, client_secret_hash: hash.hash },
        () =>
          `client_secret:      ${secret}\nclient_secret_hash: ${hash.hash}\nGive the instance the secret; the clients file needs only the hash.\n`,
      )
    },
  ),
  local(
    { name: 'schema', about: 'Print the JSON Schema of the clients file. Needs no broker.' },
    async ({ context }) => {
      const { clientsFileJsonSchema } = await import('../../clients/clients-file-schema.ts')
      context.terminal.out(json(clientsFileJsonSchema()))
    },
  ),
  verb({
    name: 'remove-secret <client> <secret>',
    at: 'DELETE /clients/:id/secrets/:secret',
    about:
      'Remove one secret of a client at once, by its id: cmb clients show lists them, the older first.',
    words: (_, { id, second }) => `The secret ${second} of ${id} is removed.\n`,
    examples: ['cmb clients remove-secret sydney 8f0c…'],
  }),
  verb({
    name: 'remove <client>',
    at: 'DELETE /clients/:id',
    about: 'Remove a client and revoke its tokens at once. The broker sends it logout tokens.',
    takes: {
      source: option(
        '--source <source>',
        'where it was registered, if not by this command',
      ).choices(['file', 'command', 'api', 'demo']),
    },
    flags: [YES],
    ask: sure(
      ({ id }) => `Removing ${id} ends every session's part there.`,
      (id) => id,
    ),
    words: ({ seq, notes }, { id }) =>
      [`${id} is removed; revocation number ${seq}.`, ...notes, ''].join('\n'),
    examples: ['cmb clients remove sydney', 'cmb clients remove sydney --source file --yes'],
  }),
)
