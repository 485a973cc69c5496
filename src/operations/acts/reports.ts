import type { SecurityEvent } from '../../../db/types.ts'

/** Reports of users, "Lost, stolen or not me": for how long they count, and their ids. */

/** A report is shown for a week. The user's own page shows it as long. */
export const REPORT_SECONDS = 7 * 86_400

type Key = Pick<SecurityEvent, 'sub' | 'at' | 'id'>

/** Returns the id of a report, which names its entry in the user's history. */
export const reportId = ({ sub, at, id }: Key): string => `${sub}.${at}.${id}`

/** Reads the id of a report. Returns undefined for any other text. */
export function readReportId(text: string): Key | undefined {
  const [, sub, at, id] = /^([\w-]{1,100})\.(\d{1,12})\.([\w-]{1,60})$/.exec(text) ?? []
  return sub === undefined || at === undefined || id === undefined
    ? undefined
    : { sub, at: Number(at), id }
}
