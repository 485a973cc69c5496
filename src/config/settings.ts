import * as parse from './parsers.ts'
import { setting, type Read } from './setting.ts'

/** Every setting of the broker, once. The reference page, the check at start, the hints of `cmb doctor` and the type `Config` come from this table. */

const GUID = '6f0c2d0e-7a43-4a52-9b1d-2f8f6a3c9e11'

const broker = {
  issuer: setting({
    name: 'BROKER_ISSUER',
    section: 'broker',
    required: true,
    schema: parse.origin('the broker and its cookies need a host name of their own'),
    example: 'https://login.case-manager.example',
    text: "The broker's own public address: a host name of its own, no path. http is accepted for `localhost` only.",
  }),
  secrets: setting({
    name: 'BROKER_SECRET',
    section: 'broker',
    required: true,
    schema: parse.secrets,
    example: '"$(openssl rand -hex 32)"',
    text: 'At least 32 random bytes, hex or base64url. A comma list rotates it: the first value seals, all of them open.',
  }),
  dataDir: setting({
    name: 'BROKER_DATA_DIR',
    section: 'broker',
    default: 'data',
    schema: parse.path,
    example: '/var/lib/case-manager-broker',
    text: "The directory of the database, the admin socket and the broker's own queue server. Mode 0700, one broker each.",
  }),
  listen: setting({
    name: 'BROKER_LISTEN',
    section: 'broker',
    default: '127.0.0.1:7400',
    schema: parse.address,
    example: '0.0.0.0:7400',
    text: 'The public listener.',
  }),
  opsListen: setting({
    name: 'BROKER_OPS_LISTEN',
    section: 'broker',
    default: '127.0.0.1:7401',
    schema: parse.address,
    example: '127.0.0.1:7401',
    text: "The operators' listener: `/healthz`, `/readyz`, `/metrics`, `/admin/v1`, `/ops`. Keep it off the public network.",
  }),
  opsOrigin: setting({
    name: 'BROKER_OPS_ORIGIN',
    section: 'broker',
    defaultText: '`http://localhost:` and the port of `BROKER_OPS_LISTEN`',
    schema: parse.origin('the console is at /ops of it'),
    example: 'https://ops.case-manager.example',
    text: "Where browsers reach the operators' listener. The console is at `/ops` of it. https, except on localhost.",
  }),
  trustedProxies: setting({
    name: 'BROKER_TRUSTED_PROXIES',
    section: 'broker',
    default: '',
    defaultText: 'none',
    schema: parse.proxies,
    example: '10.0.0.0/8',
    text: "Comma list of addresses and CIDRs whose `X-Forwarded-For` counts. The broker's own addresses come from `BROKER_ISSUER`, never from a header.",
  }),
  keyFiles: setting({
    name: 'BROKER_KEY_FILES',
    section: 'broker',
    default: '',
    defaultText: 'none',
    schema: parse.paths,
    example: '/run/secrets/es256.pem,/run/secrets/rs256.pem',
    text: 'Comma list of PEM files (PKCS#8) with signing keys: an ES256 (P-256) and an RS256 (RSA, 2048 bits or more) key; the first of each signs. Not set: the broker makes its own keys, keeps them sealed and rotates them every 90 days.',
  }),
}

const entra = {
  tenants: setting({
    name: 'BROKER_ENTRA_TENANT',
    section: 'microsoft',
    default: '',
    defaultText: 'none',
    schema: parse.guids,
    example: GUID,
    text: 'Comma list of tenant ids (GUIDs): the tenants whose users may sign in. Personal accounts never may.',
  }),
  clientId: setting({
    name: 'BROKER_ENTRA_CLIENT_ID',
    section: 'microsoft',
    schema: parse.guid,
    example: GUID,
    text: 'Application (client) ID of the registration in Entra.',
  }),
  secret: setting({
    name: 'BROKER_ENTRA_CLIENT_SECRET',
    section: 'microsoft',
    defaultText: 'one of three',
    schema: parse.text,
    example: '"$(cat client-secret.txt)"',
    text: "The client secret's value.",
  }),
  secretExpiresAt: setting({
    name: 'BROKER_ENTRA_CLIENT_SECRET_EXPIRES',
    section: 'microsoft',
    schema: parse.date,
    example: '2027-03-31',
    text: 'The day on which that secret expires, as Entra shows it. The broker warns from 30 days before; Entra does not tell it the date.',
  }),
  certificateFile: setting({
    name: 'BROKER_ENTRA_CERTIFICATE_FILE',
    section: 'microsoft',
    defaultText: 'one of three',
    schema: parse.path,
    example: '/run/secrets/entra.pem',
    text: 'A PEM file: an unencrypted RSA private key, its certificate, then the chain. Read at each use.',
  }),
  federatedTokenFile: setting({
    name: 'BROKER_ENTRA_FEDERATED_TOKEN_FILE',
    section: 'microsoft',
    defaultText: 'one of three',
    schema: parse.path,
    example: '/var/run/secrets/azure/tokens/azure-identity-token',
    text: "A workload identity's token. Read at each use.",
  }),
  authority: setting({
    name: 'BROKER_ENTRA_AUTHORITY',
    section: 'microsoft',
    default: 'https://login.microsoftonline.com',
    schema: parse.url,
    example: 'https://login.microsoftonline.com',
    text: "Microsoft's national clouds: `https://login.microsoftonline.us`, `https://login.partner.microsoftonline.cn`.",
  }),
  simulated: setting({
    name: 'BROKER_ENTRA_SIMULATED',
    section: 'microsoft',
    default: 'no',
    schema: parse.yes,
    example: 'yes',
    text: "`yes` accepts an authority that is not Microsoft's; pages show it. For trying and testing only: a sign-in then proves nothing.",
  }),
}

const signals = {
  probe: {
    everySeconds: setting({
      name: 'BROKER_PROBE_MINUTES',
      section: 'signals',
      default: '15',
      schema: parse.minutes,
      example: '15',
      text: 'The broker asks Microsoft about every live session once in this many minutes. `0` turns the probe off.',
    }),
    perSecond: setting({
      name: 'BROKER_PROBE_PER_SECOND',
      section: 'signals',
      default: '100',
      schema: parse.whole(1, 1000),
      example: '100',
      text: 'The most probe requests a second.',
    }),
  },
  graph: {
    tenants: setting({
      name: 'BROKER_GRAPH',
      section: 'signals',
      default: 'no',
      schema: parse.tenants,
      example: 'yes',
      text: '`yes`, or a comma list of tenant ids: Microsoft Graph notifies the broker of changes at once. Needs the application permission `User.Read.All`.',
    }),
    origin: setting({
      name: 'BROKER_GRAPH_ORIGIN',
      section: 'signals',
      default: 'https://graph.microsoft.com/v1.0',
      schema: parse.url,
      example: 'https://graph.microsoft.com/v1.0',
      text: 'National clouds: `https://graph.microsoft.us/v1.0`, `https://microsoftgraph.chinacloudapi.cn/v1.0`.',
    }),
  },
  revokeAtMicrosoft: setting({
    name: 'BROKER_REVOKE_AT_MICROSOFT',
    section: 'signals',
    default: 'no',
    schema: parse.tenants,
    example: 'yes',
    text: '`yes`, or a comma list of tenant ids: a user who signs out everywhere is signed out at Microsoft too. Needs `User.RevokeSessions.All`.',
  }),
  issuersFile: setting({
    name: 'BROKER_SIGNAL_ISSUERS_FILE',
    section: 'signals',
    defaultText: 'none',
    schema: parse.path,
    example: '/etc/broker/signal-issuers.yaml',
    text: 'Other systems that may send signals: [issuers of security events](microsoft.md#issuers-of-signals).',
  }),
}

const limits = {
  idleSeconds: setting({
    name: 'BROKER_SESSION_IDLE_SECONDS',
    section: 'sessions',
    default: '28800',
    defaultText: '`28800` (8 h)',
    schema: parse.whole(60, 604_800, 'seconds'),
    example: '28800',
    text: 'A session ends after this long without activity (refresh, page visit, userinfo, introspection).',
  }),
  absoluteSeconds: setting({
    name: 'BROKER_SESSION_ABSOLUTE_SECONDS',
    section: 'sessions',
    default: '43200',
    defaultText: '`43200` (12 h)',
    schema: parse.whole(300, 604_800, 'seconds'),
    example: '43200',
    text: 'A session ends after this long, whatever happens. No token outlives it.',
  }),
  staySignedInSeconds: setting({
    name: 'BROKER_SESSION_STAY_SIGNED_IN_SECONDS',
    section: 'sessions',
    default: '86400',
    defaultText: '`86400` (24 h)',
    schema: parse.whole(300, 7_776_000, 'seconds'),
    example: '86400',
    text: 'The absolute limit for a user who chose "Stay signed in" at Microsoft. The session then has no idle limit.',
  }),
}

const retention = {
  sessionDays: setting({
    name: 'BROKER_RETENTION_SESSION_DAYS',
    section: 'retention',
    default: '30',
    schema: parse.whole(1, 3650, 'days'),
    example: '30',
    text: 'Ended sessions and their participants.',
  }),
  revocationDays: setting({
    name: 'BROKER_RETENTION_REVOCATION_DAYS',
    section: 'retention',
    default: '90',
    schema: parse.whole(1, 3650, 'days'),
    example: '90',
    text: 'The log of revocations, their deliveries and their proof. Pending deliveries are kept.',
  }),
  auditDays: setting({
    name: 'BROKER_RETENTION_AUDIT_DAYS',
    section: 'retention',
    default: '730',
    schema: parse.whole(30, 3650, 'days'),
    example: '730',
    text: 'The audit log: what operators and administrators did. At least 30.',
  }),
}

export const SETTINGS = {
  ...broker,
  entra,
  mfaProof: setting({
    name: 'BROKER_MFA_PROOF',
    section: 'microsoft',
    default: 'auth_context:c1',
    schema: parse.mfaProof,
    example: 'auth_context:c1',
    text: 'What counts as proof of MFA: [entra.md](entra.md#what-proves-mfa).',
  }),
  operatorTenant: setting({
    name: 'BROKER_OPERATOR_TENANT',
    section: 'microsoft',
    defaultText: 'none',
    schema: parse.guid,
    example: GUID,
    text: 'The tenant whose app roles `Broker.Operator` and `Broker.Administrator` count.',
  }),
  signals,
  limits,
  retention,
  queueUrl: setting({
    name: 'BROKER_QUEUE_URL',
    section: 'parts',
    defaultText: 'its own server',
    schema: parse.queueUrl,
    example: 'rediss://:password@queue.internal:6379',
    text: '`redis://…` or `rediss://…`: Redis or Valkey with AOF and `maxmemory-policy noeviction`. Not set: the broker starts `valkey-server` or `redis-server` if one is on the PATH, else an embedded Postgres (for trying and testing).',
  }),
  clientsFile: setting({
    name: 'BROKER_CLIENTS_FILE',
    section: 'parts',
    defaultText: 'none',
    schema: parse.path,
    example: '/etc/broker/clients.yaml',
    text: 'A declarative [file of clients](clients.md).',
  }),
  allowLoopbackTargets: setting({
    name: 'BROKER_ALLOW_LOOPBACK_TARGETS',
    section: 'parts',
    default: 'no',
    schema: parse.yes,
    example: 'yes',
    text: '`yes` accepts registered addresses on this machine, also over http: for development and the demo.',
  }),
  databaseUrl: setting({
    name: 'BROKER_DATABASE_URL',
    section: 'parts',
    schema: parse.unsupported('is not supported yet: this version keeps its state in SQLite, in BROKER_DATA_DIR; remove the variable'),
    example: '',
    text: 'Not supported in this version: state is in SQLite.',
  }),
}

export type Values = Read<typeof SETTINGS>
