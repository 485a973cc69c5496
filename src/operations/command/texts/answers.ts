/** The advice while one of several brokers does not answer. */
const ANOTHER =
  'If several brokers share a database, ask another one: --data-dir with its directory on this machine, or --url with its operators’ listener (docs/cmb.md).'

/** The questions, answers and rejections of `cmb`, except those that come from the broker. */
export const SAYS = {
  may_not: (uid: string | number): string =>
    `This command runs with the user id ${uid}. Let that user read the file that is named, and write to the data directory.`,
  another_user: (directory: string): string =>
    `The broker of ${directory} belongs to another user. Run this as that user or as root (sudo -u <user> npx cmb …).`,
  no_broker: (directory: string, why: string): string =>
    `No broker is running on ${directory} (${why}).\nStart it with npm start (or cmb serve). If it keeps its data elsewhere, add --data-dir DIR or set BROKER_DATA_DIR=DIR.\n${ANOTHER}`,
  no_answer: (directory: string, seconds: number): string =>
    `The broker of ${directory} did not answer within ${seconds} seconds. Its log, and /readyz on the operators' listener, say why.\n${ANOTHER}`,
  form_unknown: (status: number): string =>
    `The broker answered ${status} in a form that this cmb does not know. Use the cmb of the broker's version.`,
  no_address: (origin: string, why: string): string =>
    `${origin} does not answer (${why}). Check the address, and that it can be reached from here.\n${ANOTHER}`,
  no_client:
    '--client-id (CMB_CLIENT_ID) must name a client with the scope broker:operate or broker:administer.',
  no_secret:
    'The client’s secret is missing: name its file by --secret-file (CMB_CLIENT_SECRET_FILE), or set CMB_CLIENT_SECRET.',
  shell_differs:
    'A broker could not start with the settings of this shell; the running broker has others.',
  to_check: 'To check them, run this with the environment of the broker.',
  start_it:
    'Start it: its database, queue, clients and connection to Microsoft are checked while it runs.',
  foreign_files: 'The broker does not own each of its files.',
  no_directory: (directory: string): string =>
    `${directory} does not exist yet; the broker makes it at its first start.`,
  right_directory: 'If it should exist, name the right one: --data-dir or BROKER_DATA_DIR.',
  as_its_user: (remedy: string): string => `Run this as the broker's user, or ${remedy}.`,
  what_to_export:
    'Name what to export: --revocation <seq>; or --user <name> or --audit, with --from and --to as you need them.',
  receipt_needs_keys:
    'A receipt holds no keys: name a copy of /.well-known/signing-keys-archive of the broker with --keys.',
  not_proved:
    'It is not proved that the broker signed it: a forger names keys of their own. Name a copy of /.well-known/signing-keys-archive of the broker with --keys.\n',
  what_to_restore:
    'Name what to restore: the file of a backup, or --adopt for the Postgres database as it is.',
  as_it_is:
    'This serves from the database as it is. If it lacks revocations, sessions that had ended come back.',
  in_postgres: (directory: string, mark: string): string =>
    `The broker of ${directory} keeps its state in Postgres. Name the database: --to postgres://…, or set BROKER_DATABASE_URL. To go back to SQLite, first remove ${mark}.`,
  what_to_revoke:
    'Name what to revoke by exactly one of: --user, --session, --grant with --client, --subject, --client, --tenant, --everything.',
  which_user: 'Name the user: --user, --subject, or --tid with --oid.',
  no_user: (name: string): string => `No user is called ${name}. Nothing was done.`,
  several_users: (name: string, more: boolean): string =>
    `${name} may be one of these users${more ? ', or others' : ''}. Nothing was done. Name one by its sub.\n`,
  locked_before: (name: string, id: string, until: string): string =>
    `${name} is locked already, by lock ${id}${until && `, until ${until}`}. Nothing was changed. To change it: --replaces ${id}\n`,
  lock_open: (id: string, until: string): string =>
    ` Lock ${id} is open${until && `, until ${until}`}: only --replaces ${id} changes it.`,
  locked: (name: string, id: string, until: string): string =>
    `Locked: ${name}, by lock ${id}${until && `, until ${until}`}. To lift it: cmb unlock ${id}\n`,
  lifted: (name: string): string => `Lifted: ${name} may sign in again.\n`,
  lifted_before: (by = 'Another operator', at = ''): string =>
    `${by} already lifted it, at ${at}.\n`,
  report_done: (name: string): string => `Done: the report by ${name}.\n`,
  report_done_before: (name: string, by = 'Another administrator', at = ''): string =>
    `${by} already marked the report by ${name} as done, at ${at}.\n`,
  ended_before: 'That had already ended; nothing was revoked.\n',
  revoked: (seq: number): string =>
    `Revoked, number ${seq} in the log. cmb revocations show ${seq} shows its deliveries.\n`,
  no_users: (tid: string): string =>
    `No user of ${tid} has ever signed in here, so no session ended. Check the tenant ID: cmb tenants lists the tenants.\n`,
  no_auth_time: (tid: string): string =>
    `Users of ${tid} are not asked for their password again: its ID tokens have never had auth_time.\n`,
  emergency: (alg: string): string =>
    `This retires every ${alg} key but the new one at once: every token that they signed is rejected, at every client.`,
  moment:
    'Name a time with its offset (2026-12-04T17:00+01:00 or 2026-12-04T16:00Z), or a span from now (+30m, +8h, +2d).',
  can_move: 'Everything can be moved. Nothing was changed.',
  moved:
    'Every row was copied and verified. Set BROKER_DATABASE_URL and start the broker: no user is signed out.',
  no_proof: 'Its consent and its proof of MFA remain: open /setup at the operators’ address.',
  no_consent:
    'Its users can sign in once its administrator has consented: /setup at the operators’ address has the link.',
  whose: 'Name whose fresh sign-in to waive by exactly one of: --subject, --tenant.',
  erased: (sub: string, seq: number): string =>
    `${sub} is signed out everywhere (number ${seq} in the log) and has no name here any more. Backups made before still have it.\n`,
} as const

/** Says how an act of the audit log ended: its outcome, the title of a rejection, its revocation. */
export function ended(end: { outcome: string; result: Record<string, unknown> } | null): string {
  if (end === null) return 'not finished'
  const { title, seq } = end.result
  const more = typeof title === 'string' ? `: ${title}` : ''
  return `${end.outcome}${more}${typeof seq === 'number' ? `, revocation ${seq}` : ''}`
}
