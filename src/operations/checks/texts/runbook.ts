/**
 * The heading of docs/runbook.md that helps with a check, unless the finding names another one. A
 * test compares them with the document.
 */
export const RUNBOOK: Readonly<Record<string, string>> = {
  queue: 'The queue server is down or lost its data',
  'queue-durability': 'The queue server is down or lost its data',
  database: 'The disk is full',
  disk: 'The disk is full',
  microsoft: 'Microsoft is down, or rejects the broker',
  credential: 'Microsoft is down, or rejects the broker',
  registration: 'Microsoft is down, or rejects the broker',
  'sign-ins': 'Microsoft is down, or rejects the broker',
  probe: 'Microsoft is down, or rejects the broker',
  clock: 'The clock is wrong',
  'postgres-clock': 'The clock is wrong',
  secrets: 'BROKER_SECRET leaked',
  instances: 'An instance is down',
  brokers: 'A broker is missing',
  'user-reports': 'A device was stolen',
  'guard-leases': 'A guard is outdated or gone',
}
