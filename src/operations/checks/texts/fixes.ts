import type { FailureCause } from '../../../outbox/attempt.ts'
import type { Trouble } from '../../acts/instances.ts'

/** The remedies that the checks name, and the effect of a claim that is missing. */

const RESTORE = 'Start the instance, or correct its logout address.'
/** The remedy for each trouble, and the heading of docs/runbook.md that helps. */
export const HELP: Record<Trouble, readonly [fix: string, runbook: string]> = {
  down: [RESTORE, 'An instance is down'],
  hangs: [
    'It takes connections and is stuck or overloaded, or a firewall drops its answers. Look at its process before you start it again.',
    'An instance is down',
  ],
  errs: ['It runs, and fails at the logout token: look at its own log.', 'An instance is down'],
  overdue: [
    'Look at its deliveries: the broker has not sent them, or it is told to wait.',
    'An instance is down',
  ],
  failed: [RESTORE, 'An instance is down'],
  rejects: ['Correct its issuer, client id or clock.', 'An instance rejects logout tokens'],
  unreached: [
    'Register a backchannel_logout_uri, or let it use the guard (docs/relying-party.md).',
    'A guard is outdated or gone',
  ],
  unguarded: [
    'Start its guards. cmb guards shows them. If they run, look for client_rejected in the broker’s log: their secret may be wrong, expired or removed.',
    'A guard is outdated or gone',
  ],
  silent: [
    'Look at its process: it may be frozen, out of CPU, or cut off from the broker while its connection is still open. Start it again if it does not answer.',
    'A guard is outdated or gone',
  ],
}

/** The remedy for each cause of a failed request to a client. */
export const FIX: Record<FailureCause, string> = {
  connection_refused:
    'Start the instance, or correct the port of its registered address or the firewall.',
  dns: 'Correct the host name in its registered address, or the DNS record of the host name.',
  timeout:
    'Check whether the instance is overloaded, and whether a firewall drops connections of the broker.',
  certificate:
    'Renew the certificate of the instance, and serve it with its intermediate certificates. If a certificate authority of your own signed it, start the broker with NODE_EXTRA_CA_CERTS (docs/configuration.md).',
  connection_lost:
    'Look at the log of the instance and of the proxy in front of it: one of them closes the connection.',
  address_not_allowed: 'Register an address that the broker may call.',
  other: 'Look at the log of the instance, then correct its registered address.',
}

/**
 * The effect of each claim that the sign-in of the tenant's administrator did not bring. `acrs` is
 * left out: the broker requests it by name, and the page that asserts the proof shows whether it
 * came.
 */
export const NEEDED_FOR: Readonly<Record<string, string>> = {
  sid: 'without it, a sign-out at Microsoft 365 does not reach the broker',
  login_hint: 'without it, Microsoft asks at sign-out which account to sign out',
  auth_time: 'without it, no user can prove a fresh sign-in, which the console requires too',
  email: 'without it, instances get no email address',
}

/** The other remedies, by the check or by what is wrong. */
export const REMEDY = {
  no_work: (work: string): string =>
    `Start cmb work --only ${work} with the settings of the brokers, or unset BROKER_WORK on one broker and restart it.`,
  domain_permission: (permission: string): string =>
    `If domains of the tenant are federated, add ${permission} as an application permission and grant consent again.`,
  proxy_unknown: (address: string): string =>
    `If ${address} is your proxy, or the network of its container, add it to BROKER_TRUSTED_PROXIES and restart the broker.`,
  secret_lacks: 'Set BROKER_SECRET as at the other brokers (new,old), and restart this one.',
  sealed_keys:
    'Keep it. cmb keys rotate ES256 --activate (and RS256) makes keys under the new secret; the old ones go after 48 hours.',
  sealed_graph:
    'Restart the broker while the old secret is still set: the broker then seals them with the new one. If that does not help, the log says why (graph_subscription…).',
  sealed_webhooks:
    'Keep it. cmb webhooks rotate-secret <webhook> makes a secret under the new one; configure it at the receiver within the overlap.',
  redirect: (address: string): string =>
    `Entra, App registrations, Case Manager, Authentication: add the redirect address ${address}.`,
  sign_ins: (page: string): string =>
    `Look at the tenant’s sign-in log in Entra (Case Manager, failures). Consent is granted again at ${page}; a policy that blocks is changed under Conditional Access.`,
  consent: (page: string): string =>
    `Its administrator grants it and confirms it by signing in: ${page} has the link to their page.`,
  assert: (page: string): string => `Send them the link at ${page}: they assert it by signing in.`,
  bind_context: (page: string): string =>
    `Bind an authentication context to a policy that requires MFA, and choose it at ${page}`,
  assert_context: (page: string): string =>
    `An administrator of the tenant asserts it by the link at ${page}`,
  claims_unseen: 'An administrator of the tenant confirms consent by the link that /setup has.',
  connection:
    'Open /setup with the link that cmb setup prints, or set what is missing (docs/configuration.md).',
  credential_end:
    'Entra shows the date: App registrations, Case Manager, Certificates & secrets. Enter it at /setup (“Change the application”), or set BROKER_ENTRA_CLIENT_SECRET_EXPIRES to it.',
  credential_expiry:
    'Make a new credential in Entra, then enter it at /setup or in the settings. Entra accepts the old and the new one meanwhile.',
  microsoft:
    'Look at Microsoft’s service status. If only this broker is affected: check the tenant id, and let the broker reach the authority over https (proxy, firewall, DNS).',
  clock:
    'Synchronize it by NTP; the broker goes on as soon as the clocks agree. If the clock is right now and Microsoft cannot be asked, restart the broker.',
  app_missing:
    'Entra, Enterprise applications, Case Manager, Properties: enable it for sign-in. If it is missing, grant consent in this tenant.',
  credential:
    'Entra, App registrations, Case Manager, Certificates & secrets: renew the credential, then enter it at /setup (“Change the application”) or in the settings.',
  optional_claims:
    'Token configuration in the app registration: add them for the ID token. Then its administrator signs in again by the link that /setup has.',
  graph_permission:
    'API permissions in the app registration: add it as an application permission, then grant consent again.',
  graph_unused: 'BROKER_GRAPH=yes turns it on (docs/configuration.md).',
  no_subscription:
    'The broker makes it once consent is given for User.Read.All and Microsoft reaches the issuer’s address from the internet. The log says why it does not (graph_subscription…).',
  subscription_ended:
    'The broker makes a new one by itself. If it does not, the log says why (graph_subscription…).',
  setting_differs:
    'The broker uses the value in the database. Change the setting to that value, or remove the setting.',
  simulated: 'Unset BROKER_ENTRA_SIMULATED and BROKER_ENTRA_AUTHORITY before real users sign in.',
  plain_http: 'Put a TLS proxy in front and set BROKER_ISSUER to its https address.',
  loopback: 'Unset it if instances run on other machines.',
  no_operator_tenant:
    'Choose it at /setup, or set BROKER_OPERATOR_TENANT to the tenant whose Broker.Operator and Broker.Administrator roles count.',
  broker_missing: 'Start it again. If it is gone for good, hide this.',
  queue_password:
    'Put the password of the queue server into BROKER_QUEUE_URL: redis://:<password>@host:6379.',
  queue_memory:
    'The queue server is out of memory. Raise maxmemory, or delete what else is stored there.',
  queue_down:
    'Start the queue server that BROKER_QUEUE_URL names, or unset that and install valkey-server.',
  queue_embedded:
    'Install valkey-server, or set BROKER_QUEUE_URL to a Redis or Valkey with AOF and noeviction.',
  queue_evicts: 'Set maxmemory-policy noeviction on the queue server.',
  queue_forgets: 'Set appendonly yes on the queue server.',
  old_secret: 'Remove all but the first value from BROKER_SECRET and restart.',
  sqlite:
    'Free space on the disk of BROKER_DATA_DIR, and check that the broker may write there. It recovers without a restart.',
  postgres:
    'Check that the Postgres of BROKER_DATABASE_URL runs as the primary, has free disk, and that its synchronous standby answers. The broker recovers without a restart.',
  disk: 'Delete old backups and logs from it, or enlarge it. The broker recovers without a restart.',
  wal: 'End the program that reads it: a backup, a copy, or a shell (docs/alerts.md, BrokerWalLarge).',
  backup: 'Run cmb backup and read its output, then repair the job that runs it.',
  log_lost:
    'See docs/alerts.md, BrokerLogLost: compare the clients, then bring back the newest database.',
  fsync: 'Set fsync = on in postgresql.conf, and restart Postgres.',
  synchronous_commit:
    'Set synchronous_commit = on for the broker’s role: ALTER ROLE <role> SET synchronous_commit = on. Then restart the brokers.',
  standby_unseen:
    'Run cmb migrate --grant <role> as a superuser, or: GRANT pg_read_all_stats TO <role>.',
  no_standby:
    'Start the standby, and check that synchronous_standby_names on the primary names it.',
  notifications_direct:
    'Check that BROKER_DATABASE_DIRECT_URL reaches the same database and primary as BROKER_DATABASE_URL, past every pooler.',
  notifications:
    'If BROKER_DATABASE_URL leads to a pooler in transaction mode, set BROKER_DATABASE_DIRECT_URL to the address of Postgres itself.',
  postgres_clock: 'Run an NTP client on the machines of the brokers and of Postgres.',
  postgres_rights:
    'Create a role of its own for the broker, run cmb migrate --grant <role> as the owner, and name that role in BROKER_DATABASE_URL.',
  unbuilt: 'Wait for `cmb migrate` where it runs; otherwise run it again. It builds them.',
  postgres_bloat:
    'End the transaction that keeps them: look in pg_stat_activity for the oldest xact_start, in pg_prepared_xacts and in pg_replication_slots. Check that autovacuum is on.',
  federated_domains:
    'Set promptLoginBehavior of the domain to nativeSupport or translateToFreshPasswordAuthentication (Update-MgDomainFederationConfiguration; docs/fresh-sign-in.md).',
  fresh_sign_in:
    'Token configuration in the app registration: add the optional claim auth_time for the ID token, then sign in once (docs/fresh-sign-in.md). Earlier revocations are demanded from then on.',
  re_entry:
    'Set BROKER_MAX_AUTHENTICATION_AGE, or the limit of this tenant (cmb tenants change). A Conditional Access policy with a sign-in frequency does it too.',
  no_auth_time:
    'Token configuration in the app registration: add the optional claim auth_time for the ID token. Then its administrator signs in again by the link that /setup has.',
  without_pkce:
    'Use a library that sends code_challenge with S256, then remove require_pkce from the registration.',
  assertion_audience:
    'Let its library set aud to the issuer alone, then remove client_assertion_audience.',
  leases_ran_out: 'See docs/alerts.md, BrokerGuardLeasesRunOut.',
  clock_drift: 'Let no time service slew a clock by more than 500 ppm (chrony: maxslewrate 500).',
  streams_of_client:
    'Compare with its guards (cmb guards). More streams than guards: restart the application, and replace its secret if that does not help. As many: raise BROKER_FEED_STREAMS_OF_CLIENT.',
  streams:
    'Start a further broker, or raise BROKER_FEED_STREAMS and the limit of file descriptors.',
  logout_address_fails: "Look at the instance's own log.",
  jwks: 'Without them it cannot authenticate (private_key_jwt, workload_jwt). Correct its jwks_uri or the issuer of its workload, or register its jwks by value.',
  user_report: (sub: string, report: string): string =>
    `Call the user. cmb sessions list --subject ${sub} shows what is still signed in. If an attacker uses the account, lock it: cmb lock user --subject ${sub}. Revoke the user’s sessions in Entra too: that closes Outlook and Teams on the device. Then: cmb reports done ${report}`,
  rejected_sign_ins: (tid: string): string =>
    `The page Sign-ins of the console, or cmb sign-ins --tenant ${tid}, lists them with what to do.`,
  user_reports: 'cmb reports list shows all of them.',
  secret_not_opened: (id: string): string =>
    `Set that value again, or: cmb webhooks rotate-secret ${id}`,
  lost: (id: string): string =>
    `cmb deliveries list --client ${id} says why; then cmb deliveries redrive --target ${id}`,
  silent_issuer:
    'Ask its operator whether the stream to the broker is enabled, and compare issuer, audience and keys; the log has what was rejected.',
  stream_disabled:
    'Ask the receiver’s operator to fix it. The receiver then enables its stream again (POST /ssf/status).',
  resume_probe: (tid: string, decides: boolean): string =>
    decides
      ? `Ask the tenant’s administrator. If it was a mistake, have the users assigned again first. Then cmb tenants resume-probe ${tid} signs out each user who is not assigned.`
      : `Exclude the broker’s own address from the tenant’s policies, then: cmb tenants resume-probe ${tid}`,
} as const
