import type { Found } from '../finding.ts'

const STOPPED = 'No session expires, and no token is issued or checked (503).'

const brokersLeft = (left: number, all: number): string =>
  left === 1
    ? `1 of ${all} brokers is left and serves everyone; if it fails too, nobody can sign in or out.`
    : `${left} of ${all} brokers are left and serve everyone; if they fail too, nobody can sign in or out.`

const listed = (tenants: readonly Found[]): string =>
  new Intl.ListFormat('en-GB').format(tenants.map(({ about = '' }) => about.replace('tenant ', '')))

/** The findings of the checks, by what is wrong or well. */
export const FOUND = {
  simulated: 'Microsoft is simulated: a sign-in proves nothing.',
  plain_http: 'The issuer is plain http, which is for a single machine only.',
  loopback: 'Logout addresses may be loopback or http (BROKER_ALLOW_LOOPBACK_TARGETS).',
  no_operator_tenant: 'There is no operator tenant, so no user has the role of an operator.',
  hidden_addresses: (requests: number, address: string): string =>
    `The last ${requests} requests with X-Forwarded-For all count as requests from ${address}, which BROKER_TRUSTED_PROXIES does not name. Rate limits and the security history then see one address for every user.`,
  queue_embedded: 'The queue runs on the embedded Postgres, which is for trying and testing.',
  queue_evicts: (policy: string): string =>
    `The queue server evicts jobs when its memory is full (maxmemory-policy ${policy}). A lost job delays a logout token by seconds.`,
  queue_forgets:
    'The queue server does not persist jobs (AOF is off). After its restart, logout tokens are delayed by seconds.',
  queue_down: (problem: string, commits: boolean): string =>
    `${problem} ${commits ? 'Revocations are effective at once, and logout tokens go out from the database meanwhile.' : 'Nothing is delivered meanwhile, because the database cannot commit either.'}`,
  secret_lacks:
    'BROKER_SECRET lacks a value with which another broker seals: refresh tokens made under it are rejected here.',
  key_old: (kid: string, days: number): string =>
    `Key ${kid} has been in use for ${days} days. Rotate keys every 90 days.`,
  file_not_used: 'The broker does not use it, and goes on with the last valid one: ',
  not_connected: (missing: string): string =>
    `Not connected to Microsoft yet. Missing: ${missing}. No user can sign in.`,
  federated: 'A workload identity is renewed by its platform.',
  no_expiry: 'The credential does not say when it expires.',
  reached: 'The metadata, the sign-in page and the token endpoint answered just now.',
  not_reached: ({ found }: Found, down: readonly Found[], operatorTenant?: string): string =>
    `Microsoft does not answer sign-ins: ${found} Users of ${listed(down)} cannot sign in; sessions go on.${down.some(({ tid }) => tid === operatorTenant) ? ' Operators whose sign-in is older than 5 minutes cannot act in the console: use cmb on the broker’s machine, for example cmb revoke --user NAME --case CASE.' : ''}`,
  broker_missing: (kind: string, host: string, since: string, left: number, all: number): string =>
    `The ${kind} on ${host} has sent no heartbeat since ${since}.${kind === 'broker' ? ` ${brokersLeft(left, all)}` : ''}`,
  need: ([urgency, { length }]: readonly [string, readonly unknown[]], index: number): string =>
    `${length} ${index > 0 ? 'more' : length === 1 ? 'thing needs you' : 'things need you'} ${urgency}`,
  accepts: ({ length }: readonly unknown[], seconds: number): string =>
    length > 0
      ? ' Its guards stop by themselves: once its lease has run out, a guard without the broker accepts no token. Sessions of the instance itself may still be open.'
      : ` It accepts a revoked access token for up to ${seconds} seconds. Users who were signed out may still be in there.`,
  without_lease: {
    reject: ' Without a lease each of them rejects every token.',
    introspect: ' Without a lease each of them asks the broker about every token.',
  },
  guards_return: 'The broker has started a short time ago, and guards connect again.',
  secret_not_opened: 'Its secret is sealed under a BROKER_SECRET that is not set.',
  first_event: 'The broker has started a short time ago and waits for its first event.',
  no_event: (seconds: number): string =>
    `The broker accepted no event from it for ${seconds} s, not even a verification event.`,
  few_rejected: 'Of its sign-ins in the last half hour, not more than usual were rejected.',
  rejected_share: ({
    rejected,
    accepted,
    users,
    before,
    operator,
  }: Record<'rejected' | 'accepted' | 'users', number> & {
    before: Record<'rejected' | 'accepted', number>
    operator: string
  }): string =>
    `${rejected} of ${rejected + accepted} sign-ins in the last half hour were rejected, from ${users} users; in the day before, ${before.rejected} of ${before.rejected + before.accepted}. Mostly: ${operator}`,
  nothing_lost: 'No guard has seen more of the log than there is.',
  log_lost: (guard: string, seq: number, head: number): string =>
    `Revocations were lost: the guard ${guard} enforces ${seq}, and the log ends at ${head}. The database was put back to an earlier state, unless this instance alone is faulty.`,
  no_report: 'No report of a device or a sign-in in the last 7 days is open.',
  reported_from: 'the session from which the user reported it; the reported one had ended before',
  user_told: 'The user was told that Outlook and Teams may still be open on the device.',
  clock_set: (seconds: number, side: string): string =>
    `The clock was set while the broker ran: it is ${seconds} s ${side} the right time. ${STOPPED}`,
  clocks_stopped: STOPPED,
  token_given: 'Entra gave the application a token just now.',
  not_asked: 'Not asked: Microsoft was not reached.',
  page_not_reached: 'Not asked: the sign-in page was not reached.',
  request_taken: 'The sign-in page took a request of the broker just now.',
  all_sign_in: 'Every user who has signed in before can sign in.',
  stayed_away: (users: number): string =>
    `${users} of them did not come back from Microsoft’s pages.`,
  operator_tenant:
    'It is the operator tenant, and it is not connected: no user can sign in as an operator.',
  proof_unasserted: (found: string): string =>
    `${found} No administrator of that tenant has asserted it.`,
  no_proof: 'No proof of MFA is chosen: users of this tenant cannot sign in.',
  proof_unbound: (proof: string, context: string): string =>
    `MFA is proved by ${proof}, but no administrator has confirmed that a policy is bound to ${context}. Without a policy, Entra sends ${context} all the same, and it proves nothing. Tokens hold no acr until then.`,
  claims_unseen: 'No sign-in of its administrator has shown yet which claims arrive.',
  no_risk_permission: (permission: string): string =>
    `The application does not hold ${permission}: BROKER_MICROSOFT_RISK has no effect.`,
  no_user_permission:
    'The application does not hold User.Read.All: only the probe finds a disabled account, minutes later.',
  graph_unused:
    'Graph is not used for this tenant: the probe finds disabled accounts, minutes later.',
  subscribed: (until: string): string =>
    `The subscription lasts until ${until}. The broker renews it.`,
  not_watched: (since: string, code: string): string =>
    `Not watched since ${since}: a policy on the broker’s own address${code} answers for more than 5 % of the tenant’s users. A revoked session may go unnoticed. The broker goes on asking, and signs out each user whose account Microsoft reports as disabled, deleted or revoked.`,
  assignments_held: (since: string): string =>
    `Held back since ${since}: the application was withdrawn from more than 5 % of the tenant’s users within 10 minutes. They stay signed in until you decide.`,
  commits_not: (problem: string): string =>
    `The database cannot commit: ${problem} The broker cannot sign in, refresh or revoke.`,
  disk_full: (onPostgres: boolean): string =>
    onPostgres
      ? 'When it is full, the broker’s own queue server fails.'
      : 'When it is full, no user can sign in or out.',
  wal_large:
    'The write-ahead log of the database has more than 1 GB, because a program has been reading the database for long.',
  wal_small: 'The write-ahead log of the database is moved into the database.',
  no_backup: 'cmb backup has made no backup yet.',
  last_backup: (when: string): string => `cmb backup made the last backup at ${when}.`,
  fsync_off: 'fsync is off: a crash of the server damages the database, and loses revocations.',
  commit_off: 'synchronous_commit is off: a crash loses revocations that the broker has confirmed.',
  one_server:
    'One server keeps it; no standby is required. If its disk is lost, so are the revocations since the last backup (BROKER_DATABASE_STANDBY).',
  commit_weak: (commit: string): string =>
    `synchronous_commit is ${commit}: a failover loses revocations that the broker has confirmed.`,
  standby_unseen:
    'The broker’s role may not see whether a synchronous standby confirms commits, so the broker answers nothing.',
  no_standby:
    'No synchronous standby confirms commits, so the broker answers nothing (BROKER_DATABASE_STANDBY=required).',
  no_notification:
    'A notification that the broker sent through Postgres did not come back within a second. Guards at this broker learn of revocations at other brokers up to half a second later.',
  clocks_differ: (seconds: string, side: string): string =>
    `Postgres’s clock is ${seconds} s ${side} the broker’s. Brokers whose clocks differ expire sessions and codes at different times.`,
  may_change_tables:
    'The broker’s role may change the tables: an attacker with its password could drop them, or take away what protects the logs.',
  unbuilt: (names: readonly string[]): string =>
    `These indexes are missing or being built: ${names.join(', ')}. Until then, some work reads whole tables.`,
  bloat: (rows: number): string =>
    `log_head has ${rows} dead row versions: autovacuum cannot clear them away, and each revocation reads past them.`,
  no_token: 'Not known: Entra gives no token at the moment.',
  none_federated: 'No domain of the tenant is federated: Microsoft asks for the password itself.',
  prompt_ignored: (domains: string): string =>
    `${domains}: Entra does not pass the demand for a fresh sign-in on (promptLoginBehavior is disabled). Users of the domain may come back without their password.`,
  prompt_unknown: (domains: string): string =>
    `${domains}: Graph does not say whether the identity provider asks for the password (promptLoginBehavior).`,
  auth_time_came:
    'Sign-ins of this tenant had auth_time. If Microsoft stops sending it, users cannot sign in after a revocation.',
  auth_time_never:
    'No sign-in of this tenant has ever had auth_time: after a revocation its users sign in again without their password, also on a stolen device.',
  auth_time_unknown:
    'No user of this tenant has signed in yet: whether auth_time arrives is not known, and no fresh sign-in is demanded.',
  policy_asked: (at: string): string =>
    `Entra’s policy: it asked a user of this tenant to sign in again at ${at} (sign-in frequency, AADSTS70043).`,
  no_re_entry:
    'The broker does not enforce periodic re-entry, and has not seen Entra’s policy do it.',
  age_unprovable: (seconds: number): string =>
    `The broker accepts an authentication for ${seconds} s, and the ID tokens of this tenant do not say when the user authenticated: its users cannot sign in.`,
  age_enforced: (seconds: number): string =>
    `The broker: a session ends when the user’s authentication is ${seconds} s old, and the next sign-in needs a newer one.`,
  without_pkce:
    'Its sign-ins need no PKCE (require_pkce: false), so a code that leaks can be used by another browser.',
  assertion_audience:
    'Its assertions may name an endpoint (client_assertion_audience: endpoint), so another server that passes itself off as ours can use one here (CVE-2025-27370).',
  clock_drift:
    'Clocks differ in speed from the broker’s by more than 1,000 ppm, so these guards hold no lease',
} as const
