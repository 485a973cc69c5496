/** The effect of each option of `cmb`, for its help. */
export const OPTION = {
  activate: 'sign with it at once; the former key stays published until its tokens have expired',
  emergency:
    'sign with it at once, and retire all other keys: every token that they signed is rejected',
  clients_dry_run:
    'show in how many sessions its part ends at once by a lower max_authentication_age, and change nothing',
  clients_yes: 'do not ask (a max_authentication_age that ends sessions asks)',
  metadata:
    'a registration as JSON or YAML (names of RFC 7591; docs/clients.md); - reads standard input. Other options override it',
  mfa_proof:
    'auth_context:c1 (to c25), amr or conditional_access; docs/entra.md says what each proves',
  administrators: 'app_role (Broker.TenantAdministrator), directory_role:<template id>, or none',
  contact: 'whom users of the tenant ask for help; the four options replace the former contact',
  tenants_dry_run: 'show how many sessions a lower age ends at once, and change nothing',
  tenants_yes: 'do not ask (an age that ends sessions asks)',
  recover: 'also if there is an administrator, when none can sign in',
  revoke_dry_run: 'show how many users it would sign out, and change nothing',
  revoke_yes: 'do not ask (wide revocations ask, and --user by beginnings of words)',
  grant: 'sign out of one client only, in this session: with --client',
  adopt:
    'instead of a file: serve from the Postgres database as it is, after a recovery, a loaded dump or a promotion',
  nothing_lost:
    'with --adopt: the database has everything that was acknowledged, so that no user is signed out',
  keys: "the broker's public keys, saved from /.well-known/signing-keys-archive; without it the signer is not proved (exit code 4)",
  evidence_user:
    'the revocations of one user: their sub, or words of their name or address that fit one alone',
  audit: 'the audit log: all of it, or the period that --from and --to name',
  migrate_grant:
    'let this role run the broker: it may read and write rows, and may not change the tables',
  from: 'only entries from this time on: 2026-12-04, or 2026-12-04T17:00+01:00',
  overlap: 'how long the former secret signs too; 0: it ends at once',
  comment: 'a comment, kept in the audit log: do not name the user',
  target: 'only acts on this user, client or tenant: an id, or words of a name; or "session s_…"',
  reason: 'why, kept with each delivery and in the audit log',
} as const
