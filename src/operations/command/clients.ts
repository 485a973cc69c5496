import { randomBytes } from 'node:crypto'
import { newClientSecret } from '../../clients/secret.ts'
import { misused } from './broker.ts'
import { fromFile, METADATA, METADATA_FILE, type WithFile } from './client-metadata.ts'
import { type Called, CASE_AND_COMMENT, group, local, option, sure, verb, YES } from './context.ts'
import { agreed, type Agreeing } from './preview.ts'
import { OPTION } from './texts/options.ts'

/** The commands `cmb clients`: registering instances, their secrets, and removing them. */
export const clientCommands = group(
  'clients',
  verb({
    name: 'list',
    at: 'GET /clients',
    columns: {
      clients: [
        'client_id',
        'client_name',
        'source',
        'token_endpoint_auth_method',
        'backchannel_logout_uris',
        'lock',
      ],
    },
  }),
  verb({
    name: 'show <client>',
    at: 'GET /clients/:id',
  }),
  verb({
    name: 'add <client>',
    at: 'POST /clients',
    takes: METADATA,
    flags: [METADATA_FILE],
    members: async (called: Called<WithFile>) => ({
      ...(await fromFile(called)),
      client: undefined,
      client_id: called.id,
    }),
  }),
  verb({
    name: 'update <client>',
    at: 'PATCH /clients/:id',
    takes: METADATA,
    flags: [
      METADATA_FILE,
      option('--dry-run', OPTION.clients_dry_run),
      option('--yes', OPTION.clients_yes),
    ],
    members: async (called: Called<WithFile & Agreeing>) => {
      const file = await fromFile(called)
      const given = Object.values(METADATA).map((flag) => flag.attributeName())
      if (Object.keys(file).length === 0 && !given.some((candidate) => candidate in called.options))
        throw misused('Name at least one field to change. cmb clients update --help lists them.')
      return file
    },
    ask: agreed('if_sessions_end'),
  }),
  verb({
    name: 'rotate-secret <client>',
    at: 'POST /clients/:id/secrets',
    takes: CASE_AND_COMMENT,
  }),
  local(
    {
      name: 'new-secret',
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
  verb({
    name: 'remove-secret <client> <secret>',
    at: 'DELETE /clients/:id/secrets/:secret',
    takes: CASE_AND_COMMENT,
  }),
  verb({
    name: 'remove <client>',
    at: 'DELETE /clients/:id',
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
  }),
)
