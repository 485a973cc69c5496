import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { REASONS } from '../protocol/revocation.ts'

/**
 * The Prometheus metrics for operators. Label values come from closed lists or from registered
 * clients, never from an unauthenticated request.
 */
export type Metrics = ReturnType<typeof createMetrics>

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 600, 3600, 86400]

/**
 * Outcomes of sign-ins that fail because of the broker or Microsoft, not the user. Alerts use them.
 */
const AMISS = ['credential', 'app_missing', 'redirect_mismatch', 'outage']

export function createMetrics() {
  const metrics = register()
  // Counters start at zero, so that Prometheus sees the first event as an increase.
  for (const outcome of [...AMISS, 'opened']) metrics.signIns.inc({ outcome }, 0)
  for (const reason of REASONS) metrics.revocations.inc({ reason }, 0)
  for (const outcome of ['alarm', 'credential']) metrics.signals.inc({ kind: 'probe', outcome }, 0)
  return metrics
}

/** Creates and registers metrics. */
class Maker {
  readonly #registers: Registry[]

  constructor(registry: Registry) {
    this.#registers = [registry]
  }

  counter<L extends string = never>(name: string, help: string, ...labelNames: L[]): Counter<L> {
    return new Counter({ name, help, labelNames, registers: this.#registers })
  }

  gauge<L extends string = never>(name: string, help: string, ...labelNames: L[]): Gauge<L> {
    return new Gauge({ name, help, labelNames, registers: this.#registers })
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    buckets: number[],
    ...labelNames: L[]
  ): Histogram<L> {
    return new Histogram({ name, help, labelNames, buckets, registers: this.#registers })
  }
}

/** Creates the metrics by subject. /metrics lists them in the order of their creation. */
function register() {
  const registry = new Registry()
  const make = new Maker(registry)
  return {
    registry,
    ...signInMetrics(make),
    ...deliveryMetrics(make),
    ...guardMetrics(make),
    ...checkMetrics(make),
    ...processMetrics(make),
    ...sessionMetrics(make),
  }
}

function signInMetrics(make: Maker) {
  return {
    signIns: make.counter(
      'broker_sign_ins_total',
      'Sign-ins by outcome: opened, renewed, single_sign_on, or why the sign-in was rejected.',
      'outcome',
    ),
    callbackErrors: make.counter(
      'broker_sign_in_callback_errors_total',
      'Errors that browsers brought to the callback, by guidance. Anyone can write such an address: no alert goes by it.',
      'outcome',
    ),
    userReports: make.counter(
      'broker_user_reports_total',
      'Sessions and sign-ins that users reported: "This wasn\'t me".',
    ),
    rateLimited: make.counter(
      'broker_rate_limited_total',
      'Requests over a rate limit, by limit.',
      'limit',
    ),
    tokens: make.counter(
      'broker_tokens_total',
      'Token requests by grant and outcome.',
      'grant',
      'outcome',
    ),
    clientTokens: make.counter(
      'broker_client_tokens_total',
      'Token requests of authenticated clients, by client and outcome: issued, refreshed or rejected.',
      'client',
      'outcome',
    ),
  }
}

function deliveryMetrics(make: Maker) {
  return {
    revocations: make.counter('broker_revocations_total', 'Revocations by reason.', 'reason'),
    deliveries: make.counter(
      'broker_delivery_attempts_total',
      'Attempts to deliver a message, by client and outcome.',
      'client',
      'outcome',
    ),
    deliverySeconds: make.histogram(
      'broker_delivery_request_seconds',
      'How long a target took to answer.',
      SECONDS,
      'client',
    ),
    pending: make.gauge('broker_deliveries', 'Deliveries by client and state.', 'client', 'state'),
    oldestPendingSeconds: make.gauge(
      'broker_oldest_pending_delivery_seconds',
      'Age of the oldest pending delivery, by client.',
      'client',
    ),
    revokedToDelivered: make.histogram(
      'broker_revoked_to_delivered_seconds',
      'From the commit of a revocation to the answer of a target.',
      SECONDS,
      'client',
    ),
  }
}

function guardMetrics(make: Maker) {
  return {
    revokedToEnforced: make.histogram(
      'broker_revoked_to_enforced_seconds',
      'From the commit of a revocation to the report of a guard that it enforces it.',
      SECONDS,
      'client',
    ),
    guardsAhead: make.counter(
      'broker_guard_ahead_of_log_total',
      'Times that a guard enforced a seq that the log has not reached, by client: revocations were lost.',
      'client',
    ),
    leasesRunOut: make.counter(
      'broker_guard_leases_run_out_total',
      'Times that the lease of a guard ran out, as guards report it, by client.',
      'client',
    ),
    streamsRejected: make.counter(
      'broker_feed_streams_rejected_total',
      'Feed streams that got 503 because their client, or all clients, had as many as they may, by client.',
      'client',
    ),
    guards: make.gauge(
      'broker_feed_streams',
      'Guards that follow the feed now, by client.',
      'client',
    ),
  }
}

function checkMetrics(make: Maker) {
  return {
    partUp: make.gauge(
      'broker_part_up',
      '1 if a part is up (store, queue, microsoft), 0 if it is down. Microsoft is absent while no tenant is connected.',
      'part',
    ),
    checkFindings: make.gauge(
      'broker_check_findings',
      'Warnings and failures of the checks, by check and state. docs/checks.md lists the checks.',
      'check',
      'state',
    ),
    clockAheadSeconds: make.gauge(
      'broker_clock_ahead_seconds',
      'How far the clock is ahead of the right time, by Microsoft’s and the monotonic clock; negative: behind it.',
    ),
    credentialExpiresAt: make.gauge(
      'broker_credential_expires_at_seconds',
      'When the broker’s own credential at Microsoft expires, as a Unix time. Absent while it is unknown.',
      'kind',
    ),
    certificateExpiresAt: make.gauge(
      'broker_tls_certificate_expires_at_seconds',
      'When the TLS certificate of the broker’s own address or of a logout address expires, as a Unix time, by address.',
      'address',
    ),
    probePaused: make.gauge(
      'broker_probe_paused',
      '1 while the alarm of a tenant’s probe holds answers back, until an operator resumes the probe.',
      'tid',
    ),
  }
}

function processMetrics(make: Maker) {
  return {
    httpSeconds: make.histogram(
      'broker_http_request_seconds',
      'From a request until its answer begins, by route class (the first segment of the path) and status class.',
      [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      'route',
      'code',
    ),
    diskFreeBytes: make.gauge(
      'broker_disk_free_bytes',
      'Free space on the disk of the data directory, for the broker’s user.',
    ),
    diskBytes: make.gauge('broker_disk_bytes', 'Size of the disk of the data directory.'),
    databaseBytes: make.gauge('broker_database_bytes', 'Size of the database.'),
    walBytes: make.gauge(
      'broker_wal_bytes',
      'Size of the write-ahead log beside the database file. Absent on Postgres.',
    ),
    lastBackupAt: make.gauge(
      'broker_last_backup_at_seconds',
      'When cmb backup last made a backup, as a Unix time; 0 if never. On Postgres absent before the first one.',
    ),
    buildInfo: make.gauge(
      'broker_build_info',
      'Always 1; its labels are the versions of the broker and of Node.js, and broker or worker.',
      'version',
      'node',
      'kind',
    ),
  }
}

function sessionMetrics(make: Maker) {
  return {
    sessions: make.gauge('broker_live_sessions', 'Live sessions.'),
    locks: make.counter(
      'broker_lock_changes_total',
      'Locks that were set and lifted, by change (set, lifted) and kind of target.',
      'change',
      'kind',
    ),
    openLocks: make.gauge(
      'broker_open_locks',
      'Open locks, by kind of target (user, tenant, client).',
      'kind',
    ),
    signals: make.counter(
      'broker_signals_total',
      'Signals from Microsoft and others, by kind and outcome.',
      'kind',
      'outcome',
    ),
  }
}
