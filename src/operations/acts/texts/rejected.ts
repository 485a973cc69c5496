import type { LockProtection } from '../../../../db/types.ts'

/** The reasons for which acts are rejected, and what to do then. */
export const REJECTED = {
  registered_already: (client: string, where: string): string =>
    `${client} is already registered. It belongs to ${where}. Choose another client_id for a new client.`,
  no_secret: (client: string, method: string): string =>
    `${client} authenticates by ${method}, without a secret.`,
  no_such_secret: (client: string): string =>
    `${client} has no secret of that id; cmb clients show ${client} lists them.`,
  other_source: (why: string, client: string, source: string): string =>
    `${why} To remove it all the same, name its source: cmb clients remove ${client} --source ${source}`,
  still_in_file:
    'The clients file still has this client: its next change, or the next start, registers it again. Remove it from the file too.',
  operator_locks: (what: string): string =>
    `${what} An operator may lock one user for at most 24 hours (ends_at).`,
  ends_past: 'ends_at must be in the future, or be left out.',
  lock_changed:
    'Another operator has lifted or replaced it. cmb locks list shows what is open now.',
  weaker_lock: (id: string): string =>
    `Lock ${id} is open: it ends earlier, or covers the user in one tenant alone. Nothing was changed. An administrator replaces it by the member replaces (cmb lock … --replaces ${id}).`,
  only_wide: 'Only administrators lock a tenant or a client.',
  only_replace: 'Only administrators replace a lock.',
  only_longer: 'Only administrators lock a user for longer.',
  connected: (tid: string): string =>
    `${tid} is connected; cmb tenants shows it. Its proof of MFA is changed at /setup.`,
  operators_tenant:
    'Its users are administered by operators: assign Broker.Operator or Broker.Administrator there.',
  only_operator_tenant: (origin: string): string =>
    `No administrator could sign in without it. First choose another operator tenant at ${origin}/setup.`,
  stream_disabled: (stream: string): string =>
    `${stream} is disabled already. Nothing is sent to it.`,
  problem_ended: 'It has changed or ended. cmb status lists problems.',
  not_hideable:
    'It needs an operator now, or a part of the broker is down because of it. The report of a user is marked as done instead: cmb reports done.',
  file_exists: (path: string): string =>
    `${path} exists, and a backup overwrites no file. Name another file.`,
  file_not_written: (path: string, code: string): string =>
    `${path}: ${code}. Its directory must exist, and the broker's user must be able to write to it. In a container, name a path on a mounted volume; under systemd, one in /var/backups/broker.`,
  administrator_exists: (url: string): string =>
    `Sign in at ${url} with the app role Broker.Administrator. If no administrator can sign in: cmb setup --recover.`,
  key_used:
    'This Idempotency-Key was sent with another request in the last 24 hours. Send each request with a key of its own.',
  key_unusable:
    'Idempotency-Key: send 1 to 255 visible ASCII characters, such as a UUID, in double quotes.',
  no_token:
    'Send an access token with the scope broker:audit, broker:operate or broker:administer.',
  needs_operator: 'An administrator of one tenant may not do this. Ask an operator of the broker.',
  other_tenant: 'What the request names is not of your tenant, or it is no longer there.',
  needs_administrator: 'Ask for an access token with the scope broker:administer.',
} as const

/** The reasons for which no role may lock a target. */
export const PROTECTED: Record<LockProtection, string> = {
  self: 'You cannot lock your own account. Ask another administrator.',
  operator_tenant:
    'The operator tenant cannot be locked: no administrator could lift the lock. Lock single users of it.',
  console: 'The console’s own client cannot be locked: no administrator could lift the lock there.',
  last_administrators:
    'At least two administrators have to remain who signed in to the console within 90 days and are not locked. Let another administrator sign in to the console first.',
  has_role: 'This user has a role of the broker. Ask an administrator to lock them.',
}
