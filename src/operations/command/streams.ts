import { CASE_AND_COMMENT, group, verb } from './context.ts'

/** The commands `cmb streams`: the streams that send security events to other systems. */
export const streamCommands = group(
  'streams',
  verb({
    name: 'list',
    at: 'GET /streams',
    columns: { streams: ['id', 'client_id', 'status', 'status_by', 'method', 'endpoint_url'] },
  }),
  verb({
    name: 'show <stream>',
    at: 'GET /streams/:id',
  }),
  verb({
    name: 'disable <stream> <reason>',
    at: 'POST /streams/:id/disable',
    takes: CASE_AND_COMMENT,
  }),
  verb({
    name: 'remove <stream>',
    at: 'DELETE /streams/:id',
    takes: CASE_AND_COMMENT,
  }),
)
