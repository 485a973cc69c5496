import { parentPort, workerData } from 'node:worker_threads'
import { answerQuestions } from './long-reads.ts'

/**
 * The thread of reader.ts. Module hooks of the main thread do not apply here, so it registers them
 * as cli.ts does.
 */

if (parentPort === null)
  throw new Error('This file is the thread of db/sqlite/reader.ts, and nothing by itself.')
answerQuestions(parentPort, (workerData as { file: string }).file)
