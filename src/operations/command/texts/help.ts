import { WORK } from '../../../protocol/work.ts'

interface Help {
  /** Default: the summary of the command's act. */
  about?: string
  examples?: readonly string[]
  /** A paragraph before the examples. */
  more?: string
}

/** The help of each command, by its name and that of the command above it. */
export const HELP: Readonly<Record<string, Help>> = {
  serve: {
    about:
      'Run the broker, until Ctrl-C or SIGTERM. It does the background work too, unless BROKER_WORK is set.',
    examples: [
      'BROKER_ISSUER=https://login.case-manager.example BROKER_SECRET_FILE=/run/secrets/broker cmb serve',
      'BROKER_WORK=none cmb serve   # where cmb work runs too',
    ],
  },
  work: {
    about:
      "Run background work without a broker, until Ctrl-C or SIGTERM. It needs Postgres (BROKER_DATABASE_URL), the brokers' queue server (BROKER_QUEUE_URL) and their other settings.",
    examples: ['cmb work', 'cmb work --only deliveries,probe'],
    more: `Kinds of work:\n${Object.entries(WORK)
      .map(([name, does]) => `  ${name.padEnd(13)} ${does}`)
      .join('\n')}`,
  },
  audit: {
    examples: [
      'cmb audit --actor "alice adams"',
      'cmb audit --case INC-4711',
      'cmb audit --target "alice adams" --act revoke',
      'cmb audit --from 2026-10-01 --to 2026-11-01 --json',
    ],
  },
  backup: { examples: ['cmb backup /var/backups/broker-2026-11-24.db'] },
  clients: { about: 'Manage Case Manager instances (OAuth clients).' },
  'clients add': {
    examples: [
      'cmb clients add sydney --name "Case Manager Sydney" \\\n    --redirect-uri https://sydney.case-manager.example/oidc/callback \\\n    --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
      'cmb clients add reports --metadata reports.yaml --json',
    ],
  },
  'clients update': {
    examples: [
      'cmb clients update sydney --logout-uri https://sydney.case-manager.example/oidc/backchannel-logout',
    ],
  },
  'clients rotate-secret': { examples: ['cmb clients rotate-secret sydney'] },
  'clients new-secret': {
    about:
      'Make a secret and its hash for the clients file. Needs no broker and registers nothing.',
  },
  'clients remove-secret': { examples: ['cmb clients remove-secret sydney 8f0c…'] },
  'clients remove': {
    examples: ['cmb clients remove sydney', 'cmb clients remove sydney --source file --yes'],
  },
  deliveries: {
    about: 'List, redrive and close deliveries: pending, delivered, rejected and failed.',
  },
  'deliveries list': {
    examples: [
      'cmb deliveries list --state failed',
      'cmb deliveries list --client sydney --state pending',
    ],
  },
  'deliveries redrive': {
    examples: ['cmb deliveries redrive --client sydney', 'cmb deliveries redrive --all'],
  },
  'deliveries close': {
    examples: [
      'cmb deliveries close --client perth --reason "the instance is gone" --case INC-4711',
      'cmb deliveries close --target t_9fK… --reason "the address was wrong"',
    ],
  },
  'deliveries try': { examples: ['cmb deliveries try d_0mi8…'] },
  doctor: {
    about:
      'Check settings, database, queue, Microsoft and every client; say how to fix what is wrong. Run it with the environment of the broker.',
    examples: ['cmb doctor', 'cmb doctor --json | jq \'.findings[] | select(.state != "ok")\''],
  },
  'sign-ins': {
    about:
      'List rejected sign-ins, newest first: what the user read, and what to do. Count the accepted ones. Without --from: of the last 7 days.',
    more: 'Sign-ins that Microsoft stopped are not in this list. They are in the sign-in log of Microsoft Entra.',
    examples: [
      'cmb sign-ins BCDF-GHJK                    # the reference on the user’s page',
      'cmb sign-ins --user "alice adams"',
      'cmb sign-ins --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --reason mfa_not_proved',
    ],
  },
  evidence: {
    about:
      'Export and verify signed evidence of a revocation, of a user or of the audit log, for auditors.',
  },
  'evidence export': {
    about:
      'Export signed evidence: of a revocation, its row in the chain, its deliveries with their attempts, and its receipt; of a user, the same of each of their revocations in a period; of the audit log, its entries and the outcome of each act.',
    examples: [
      'cmb evidence export --revocation 4711 > revocation-4711.jsonl',
      'cmb evidence export --user "alice adams" --from 2026-11-01 --to 2026-12-01 > alice-2026-11.jsonl',
      'cmb evidence export --audit --from 2026-11-01 --to 2026-12-01 > audit-2026-11.jsonl',
    ],
  },
  'evidence verify': {
    about:
      'Verify a file of evidence, or a receipt, without the broker. It finds every changed, removed, added or moved line.',
    examples: ['cmb evidence verify revocation-4711.jsonl --keys signing-keys-archive.json'],
  },
  'fresh-sign-in': {
    about: 'Waive the fresh sign-in that users need after their sessions were revoked.',
  },
  'fresh-sign-in waive': {
    examples: [
      'cmb fresh-sign-in waive --subject u_9fK… --hours 4 --case INC-4711',
      'cmb fresh-sign-in waive --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --hours 24 --comment "auth_time is missing"',
    ],
  },
  keys: { about: 'List, rotate and retire signing keys.' },
  'keys rotate': {
    examples: ['cmb keys rotate ES256', 'cmb keys rotate RS256 --emergency --case INC-4711'],
  },
  'keys retire': { examples: ['cmb keys retire 5dZ0…'] },
  'lock tenant': {
    about: 'Lock a tenant.',
    examples: ['cmb lock tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --case INC-4711'],
  },
  'lock client': { about: 'Lock a client.', examples: ['cmb lock client sydney --case INC-4711'] },
  lock: {
    about:
      'Revoke all sessions of a user, a tenant or a client, and reject their sign-ins and tokens until the lock is lifted.',
  },
  'lock user': {
    about: 'Lock a user, also before they have signed in.',
    examples: [
      'cmb lock user --user alice@contoso.com --case INC-4711',
      'cmb lock user --subject u_9fK… --case INC-4711 --until +24h',
      'cmb lock user --tid 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --oid 0d9f… --until 2026-12-04T17:00+01:00',
    ],
  },
  unlock: { examples: ['cmb unlock l_0mi8… --case INC-4711'] },
  locks: { about: 'List locks of users, tenants and clients.' },
  'locks list': { examples: ['cmb locks list', 'cmb locks list --all --kind client'] },
  'migrate-store': {
    about:
      'Move the store of a stopped broker from SQLite to an empty Postgres database. No user is signed out. The SQLite file is disabled at the end.',
    examples: [
      'cmb migrate-store --from data/broker.db --to postgres://broker@db.internal/broker --check',
      'cmb migrate-store --from data/broker.db --to postgres://broker@db.internal/broker',
    ],
  },
  migrate: {
    about:
      "Create or upgrade the broker's tables in Postgres. Safe while brokers of the version before run.",
    examples: ['cmb migrate --to postgres://owner@db.internal/broker --grant broker'],
  },
  status: {
    more: 'Exit code 1: something needs you now.',
    examples: ['cmb status', 'cmb status --json | jq .parts.queue'],
  },
  hide: {
    more: 'cmb status shows the ids. The verdict goes on naming it.',
    examples: ['cmb hide p_3fA9cQ_1'],
  },
  unhide: { examples: ['cmb unhide p_3fA9cQ_1'] },
  restore: {
    about:
      'Replace the store of a stopped broker with a backup. This signs every user out, because the backup lacks the revocations made since.',
    examples: [
      'cmb restore /var/backups/broker-2026-11-24.db',
      'cmb --data-dir /var/lib/broker restore broker.db --yes',
      'cmb restore --adopt',
      'cmb restore --adopt --nothing-lost',
    ],
  },
  revoke: {
    examples: [
      'cmb revoke --session s_3qW… --case INC-4711',
      'cmb revoke --user "alice adams" --case INC-4711',
      'cmb revoke --subject u_9fK… --comment "laptop stolen"',
      'cmb revoke --grant s_3qW… --client sydney',
      'cmb revoke --tenant 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --dry-run',
      'cmb revoke --everything --yes',
    ],
  },
  reports: { about: 'What users reported as lost, stolen or not theirs.' },
  'reports list': {
    about: 'List the reports of the last 7 days: those to act on, or with --state done the others.',
    examples: ['cmb reports list'],
  },
  'reports done': {
    about:
      'Mark a report as acted on. It leaves the lists of what to do, also that of the tenant’s administrators.',
    examples: ['cmb reports done u_5ZpD2kQx.1764633600.h_8Yw2 --comment "telephone wiped"'],
  },
  revocations: {
    about: 'Show the log of revocations, with the deliveries of each and their proof.',
  },
  'revocations list': {
    examples: ['cmb revocations list --limit 10', 'cmb revocations list --case INC-4711'],
  },
  search: { examples: ['cmb search smith anna', 'cmb search INC-4711'] },
  sessions: { about: 'List users who are signed in.' },
  'sessions list': {
    examples: ['cmb sessions list --user alice', 'cmb sessions list --client sydney --json'],
  },
  streams: { about: 'Manage streams of Shared Signals receivers (docs/shared-signals.md).' },
  'streams disable': {
    examples: ['cmb streams disable st_9fK… "the endpoint answers 500 since Monday"'],
  },
  'streams remove': { examples: ['cmb streams remove st_9fK… --case INC-4711'] },
  'tenants add': {
    examples: ['cmb tenants add 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --name Contoso'],
  },
  'tenants change': {
    examples: [
      'cmb tenants change 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --name Contoso',
      'cmb tenants change 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --max-authentication-age 28800',
      'cmb tenants change 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --administrators app_role',
    ],
  },
  'tenants remove': { examples: ['cmb tenants remove 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'] },
  'tenants resume-probe': {
    about:
      'End the pause of a tenant’s probe. Where withdrawn assignments were held back, this signs out each user who is not assigned then.',
    examples: ['cmb tenants resume-probe 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'],
  },
  'tenants redrive': { examples: ['cmb tenants redrive --all'] },
  setup: { examples: ['cmb setup'] },
  users: { about: 'Export or erase what the broker holds about a user.' },
  'users export': {
    about:
      'Print everything that the broker holds about a user, as one JSON document: sessions, history, locks, consents, deliveries, revocations, audit entries.',
    examples: ['cmb users export --user alice@contoso.com --case DSR-17 > user.json'],
  },
  'users erase': {
    examples: [
      'cmb users erase --subject u_9fK… --case DSR-17',
      'cmb users erase --tid 6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11 --oid 0d9f…',
    ],
  },
  webhooks: {
    about: 'Manage webhook endpoints: systems to which the broker sends events (docs/webhooks.md).',
  },
  'webhooks add': {
    examples: [
      'cmb webhooks add https://siem.example/broker --event revocation.theft --event revocation.wide',
    ],
  },
  'webhooks change': {
    examples: [
      'cmb webhooks change wh_9fK… --event revocation.theft --include case_references',
      'cmb webhooks change wh_9fK… --address https://siem.example/events',
      'cmb webhooks change wh_9fK… --disable "the receiver moves"',
    ],
  },
  'webhooks rotate-secret': {
    examples: [
      'cmb webhooks rotate-secret wh_9fK…',
      'cmb webhooks rotate-secret wh_9fK… --overlap 0 --case INC-4711',
    ],
  },
  'webhooks test': { examples: ['cmb webhooks test wh_9fK…'] },
  'webhooks remove': { examples: ['cmb webhooks remove wh_9fK…'] },
}
