import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { REASONS } from './protocol/revocation.ts'

/** What operators watch, by Prometheus. Labels come from closed lists or from registered clients: never from what a stranger sends. */
export type Metrics = ReturnType<typeof createMetrics>

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600, 86400]

/** Sign-ins that fail by our own fault or Microsoft's, not by the user's: alerts go by them. */
const AMISS = ['credential', 'app_missing', 'redirect_mismatch', 'outage']

export function createMetrics() {
  const metrics = register()
  // From zero, so that the first one is a rise too: Prometheus sees none from nothing to one.
  for (const outcome of [...AMISS, 'opened']) metrics.signIns.inc({ outcome }, 0)
  for (const reason of REASONS) metrics.revocations.inc({ reason }, 0)
  for (const outcome of ['alarm', 'credential']) metrics.signals.inc({ kind: 'probe', outcome }, 0)
  return metrics
}

/** One subject after the other: /metrics lists them in the order in which they are made. */
function register() {
  const registry = new Registry()
  const registers = [registry]
  return {
    registry,
    ...signInMetrics(registers),
    ...deliveryMetrics(registers),
    ...guardMetrics(registers),
    ...checkMetrics(registers),
    ...processMetrics(registers),
    ...sessionMetrics(registers),
  }
}

function signInMetrics(registers: Registry[]) {
  return {
    signIns: new Counter({
      name: 'broker_sign_ins_total',
      help: 'Sign-ins by outcome: opened, renewed, single_sign_on, or the guidance of a refusal.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    callbackErrors: new Counter({
      name: 'broker_sign_in_callback_errors_total',
      help: 'Errors that browsers brought to the callback, by guidance. Anyone can write such an address: no alert goes by it.',
      labelNames: ['outcome'] as const,
      registers,
    }),
    rateLimited: new Counter({
      name: 'broker_rate_limited_total',
      help: 'Requests over a rate limit, by limit.',
      labelNames: ['limit'] as const,
      registers,
    }),
    tokens: new Counter({
      name: 'broker_tokens_total',
      help: 'Token requests by grant and outcome.',
      labelNames: ['grant', 'outcome'] as const,
      registers,
    }),
  }
}

function deliveryMetrics(registers: Registry[]) {
  return {
    revocations: new Counter({ name: 'broker_revocations_total', help: 'Revocations by reason.', labelNames: ['reason'] as const, registers }),
    deliveries: new Counter({
      name: 'broker_delivery_attempts_total',
      help: 'Attempts to deliver a logout token, by client and outcome.',
      labelNames: ['client', 'outcome'] as const,
      registers,
    }),
    deliverySeconds: new Histogram({
      name: 'broker_delivery_request_seconds',
      help: 'How long a target took to answer.',
      labelNames: ['client'] as const,
      buckets: SECONDS,
      registers,
    }),
    pending: new Gauge({ name: 'broker_deliveries', help: 'Deliveries by client and state.', labelNames: ['client', 'state'] as const, registers }),
    oldestPendingSeconds: new Gauge({
      name: 'broker_oldest_pending_delivery_seconds',
      help: 'Age of the oldest pending delivery, by client.',
      labelNames: ['client'] as const,
      registers,
    }),
    revokedToDelivered: new Histogram({
      name: 'broker_revoked_to_delivered_seconds',
      help: 'From the commit of a revocation to the answer of a target.',
      labelNames: ['client'] as const,
      buckets: SECONDS,
      registers,
    }),
  }
}

function guardMetrics(registers: Registry[]) {
  return {
    revokedToEnforced: new Histogram({
      name: 'broker_revoked_to_enforced_seconds',
      help: 'From the commit of a revocation to a guard saying that it enforces it.',
      labelNames: ['client'] as const,
      buckets: SECONDS,
      registers,
    }),
    guardsAhead: new Counter({
      name: 'broker_guard_ahead_of_log_total',
      help: 'Times that a guard enforced a seq that the log has not reached, by client: revocations were lost.',
      labelNames: ['client'] as const,
      registers,
    }),
    guards: new Gauge({
      name: 'broker_feed_streams',
      help: 'Guards that follow the feed now, by client.',
      labelNames: ['client'] as const,
      registers,
    }),
  }
}

function checkMetrics(registers: Registry[]) {
  return {
    partUp: new Gauge({
      name: 'broker_part_up',
      help: '1 where a part answers (store, queue, microsoft), 0 where it does not. Microsoft is not there while no tenant is connected.',
      labelNames: ['part'] as const,
      registers,
    }),
    checkFindings: new Gauge({
      name: 'broker_check_findings',
      help: 'What the checks find wrong, by check and state (warning, failed). docs/checks.md lists the checks.',
      labelNames: ['check', 'state'] as const,
      registers,
    }),
    clockAheadSeconds: new Gauge({
      name: 'broker_clock_ahead_seconds',
      help: 'How far the clock is ahead of the right time, by Microsoft’s and the monotonic clock; negative: behind it.',
      registers,
    }),
    credentialExpiresAt: new Gauge({
      name: 'broker_credential_expires_at_seconds',
      help: 'When the broker’s own credential at Microsoft expires, as a Unix time. Not there while that is not known.',
      labelNames: ['kind'] as const,
      registers,
    }),
    probePaused: new Gauge({
      name: 'broker_probe_paused',
      help: '1 where the probe of a tenant was paused by its alarm, until an operator lets it go on.',
      labelNames: ['tid'] as const,
      registers,
    }),
  }
}

function processMetrics(registers: Registry[]) {
  return {
    httpSeconds: new Histogram({
      name: 'broker_http_request_seconds',
      help: 'From a request until its answer begins, by route class (the first segment of the path) and status class.',
      labelNames: ['route', 'code'] as const,
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
    diskFreeBytes: new Gauge({
      name: 'broker_disk_free_bytes',
      help: 'Free space on the disk of the data directory, for the broker’s user.',
      registers,
    }),
    diskBytes: new Gauge({ name: 'broker_disk_bytes', help: 'Size of the disk of the data directory.', registers }),
    databaseBytes: new Gauge({ name: 'broker_database_bytes', help: 'Size of the database file.', registers }),
    walBytes: new Gauge({ name: 'broker_wal_bytes', help: 'Size of the write-ahead log beside the database file.', registers }),
    lastBackupAt: new Gauge({
      name: 'broker_last_backup_at_seconds',
      help: 'When cmb backup last made a backup, as a Unix time; 0 where it never did.',
      registers,
    }),
    buildInfo: new Gauge({
      name: 'broker_build_info',
      help: 'Always 1; its labels are the versions of the broker and of Node.js.',
      labelNames: ['version', 'node'] as const,
      registers,
    }),
  }
}

function sessionMetrics(registers: Registry[]) {
  return {
    sessions: new Gauge({ name: 'broker_live_sessions', help: 'Live sessions.', registers }),
    signals: new Counter({
      name: 'broker_signals_total',
      help: 'Signals from Microsoft and others, by kind and outcome.',
      labelNames: ['kind', 'outcome'] as const,
      registers,
    }),
  }
}
