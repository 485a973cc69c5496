import { parentPort, workerData } from 'node:worker_threads'
import { answerQuestions } from './long-reads.ts'

/** The thread of reader.ts. */

if (parentPort === null) throw new Error('This file is the thread of db/sqlite/reader.ts, and nothing by itself.')
answerQuestions(parentPort, (workerData as { file: string }).file)
