import { parentPort, workerData } from 'node:worker_threads'
import { resolveDrizzleQuickly } from '../resolve-drizzle.ts'

/** The thread of reader.ts. Hooks of the main thread do not count here, so that it begins as cli.ts does. */

if (parentPort === null) throw new Error('This file is the thread of db/sqlite/reader.ts, and nothing by itself.')
resolveDrizzleQuickly()
const { answerQuestions } = await import('./long-reads.ts')
answerQuestions(parentPort, (workerData as { file: string }).file)
