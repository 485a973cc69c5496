/**
 * How far one answer searches the logs, and the open sessions, where no index serves: about 40 ms of CPU time at a million rows
 * (`npm run bench:console`). The answer says how far it came, and the next one goes on from there.
 */
export const MOST_ENTRIES = 50_000
export const MOST_SESSIONS = 20_000
