import { DataFile } from '../../db/sqlite/data-file.ts'
import { Reader } from '../../db/sqlite/reader.ts'

/** A child process for `reader.test.ts`: it makes one read and ends without closing anything. */
const [file = ''] = process.argv.slice(2)
const { sessions } = await new Reader(file, new DataFile(file)).ask(
  'previewRevocation',
  { kind: 'everything' },
  1_800_000_000,
)
console.log(sessions)
