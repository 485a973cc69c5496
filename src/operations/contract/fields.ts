import { z } from 'zod'
import { storedText } from '../../protocol/stored-text.ts'

/** Members that requests and answers of the admin API share. */

/** A whole number of a query or a path: digits alone. */
const whole = (message: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value),
    z.int(message).min(least).max(most),
  )

export const limit = whole('has to be a number from 1 to 1000', 1, 1000).default(100)
/** The limit of a list whose entries come with their attempts. */
export const proofLimit = whole('has to be a number from 1 to 200', 1, 200).default(200)
/** A place in the log of revocations. */
export const seqNumber = whole("has to be a revocation's number, e.g. 4711", 1)
export const entryNumber = whole("has to be an entry's number, e.g. 4711", 0)
export const instant = whole('has to be a time in epoch seconds', 0)
export const instantMs = whole('has to be a time in epoch milliseconds', 0)
/** In lower case. */
export const guid = (what: string) => z.guid(`has to be ${what} (a GUID)`).toLowerCase()
export const idText = storedText().min(1).max(200)
export const named = z.strictObject({ id: storedText().max(200) })
/** Members for the audit log, in the request of an act. */
export const caseAndComment = {
  case_reference: storedText().max(200).optional(),
  comment: storedText().max(2000).optional(),
}
export const deliveryCursor = idText.optional().meta({ description: 'the next of the page before' })
export const dryRun = z.boolean().default(false)

/** An object of the answers, by name in the document. */
export const shape = <T extends z.ZodRawShape>(id: string, members: T) =>
  z.object(members).meta({ id })
export const nullable = z.string().nullable()
