import { resolveQuickly } from '../broker-dev/src/resolve-quickly.ts'

/** Registered once in each worker, as cmb does: its test files share their imports. */
resolveQuickly()
