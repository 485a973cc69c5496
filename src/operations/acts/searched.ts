/**
 * How far one answer searches the logs, and the open sessions, where no index serves: 30 to 50 ms of CPU time at a million rows on a busy
 * machine (`npm run bench:console`). The answer says how far it came, and the next one goes on from there.
 */
export const MOST_ENTRIES = 50_000
/** Each is looked up in the table, which costs more than an entry of a log: 9 µs. */
export const MOST_SESSIONS = 5_000
