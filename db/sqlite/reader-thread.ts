import { parentPort, workerData } from 'node:worker_threads'
import { resolveQuickly } from '../resolve-quickly.ts'

/**
 * The thread of reader.ts. Hooks of the main thread do not count here, so that it begins as cli.ts
 * does.
 */

if (parentPort === null)
  throw new Error('This file is the thread of db/sqlite/reader.ts, and nothing by itself.')
resolveQuickly()
const { answerQuestions } = await import('./long-reads.ts')
answerQuestions(parentPort, (workerData as { file: string }).file)
