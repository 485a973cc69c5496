import { CASE_AND_COMMENT, group, verb } from './context.ts'
import { members, table } from './show.ts'

/** The commands `cmb streams`: the streams that send security events to other systems. */
export const streamCommands = group(
  'streams',
  'Manage streams of Shared Signals receivers (docs/shared-signals.md).',
  verb({
    name: 'list',
    at: 'GET /streams',
    about: 'List every stream.',
    words: ({ streams }) =>
      table(
        streams,
        {
          STREAM: 'id',
          CLIENT: 'client_id',
          STATUS: 'status',
          BY: 'status_by',
          METHOD: ({ method }) => (method.endsWith('8935') ? 'push' : 'poll'),
          ADDRESS: 'endpoint_url',
        },
        'None yet: receivers create their own (docs/shared-signals.md).',
      ),
  }),
  verb({
    name: 'show <stream>',
    at: 'GET /streams/:id',
    about: 'Show one stream.',
    words: members,
  }),
  verb({
    name: 'disable <stream> <reason>',
    at: 'POST /streams/:id/disable',
    about:
      'Disable a stream and close its pending events. The broker sends the reason to the receiver.',
    takes: CASE_AND_COMMENT,
    words: members,
    examples: ['cmb streams disable st_9fK… "the endpoint answers 500 since Monday"'],
  }),
  verb({
    name: 'remove <stream>',
    at: 'DELETE /streams/:id',
    about: 'Remove a stream, and close its pending events.',
    takes: CASE_AND_COMMENT,
    words: ({ id }) => `${id} is removed.\n`,
    examples: ['cmb streams remove st_9fK… --case INC-4711'],
  }),
)
