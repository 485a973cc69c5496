import { z } from 'zod'
import { storedText } from '../../protocol/stored-text.ts'

/** Members shared by requests and answers of the admin API. */

/** A whole number in a query or path, digits only. */
const whole = (message: string, least: number, most = Number.MAX_SAFE_INTEGER) =>
  z.preprocess(
    (value) => (typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value),
    z.int(message).min(least).max(most),
  )

export const limit = whole('has to be a number from 1 to 1000', 1, 1000).default(100)
/** The limit of a list whose entries include their attempts. */
export const proofLimit = whole('has to be a number from 1 to 200', 1, 200).default(200)
/** The `seq` of a revocation. */
export const seqNumber = whole("has to be a revocation's number, e.g. 4711", 1)
export const entryNumber = whole("has to be an entry's number, e.g. 4711", 0)
export const instant = whole('has to be a time in epoch seconds', 0)
export const instantMs = whole('has to be a time in epoch milliseconds', 0)
/** A GUID, converted to lower case. */
export const guid = (what: string) => z.guid(`has to be ${what} (a GUID)`).toLowerCase()
export const idText = storedText().min(1).max(200)
export const named = z.strictObject({ id: storedText().max(200) })
/** Members of an act's request that go into the audit log. */
export const caseAndComment = {
  case_reference: storedText().max(200).optional(),
  comment: storedText().max(2000).optional(),
}
export const deliveryCursor = idText.optional()
export const dryRun = z.boolean().default(false)

/** Defines an object of the answers under its name in the document. */
export const shape = <T extends z.ZodRawShape>(id: string, members: T) =>
  z.object(members).meta({ id })
export const nullable = z.string().nullable()
