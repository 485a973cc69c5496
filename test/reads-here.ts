import { MessageChannel } from 'node:worker_threads'
import { answerQuestions } from '../db/sqlite/long-reads.ts'
import type { ReaderThread } from '../db/sqlite/reader.ts'

/**
 * Runs a store's long reads in this thread, on a connection of their own and by messages. A thread
 * would load the store's modules again, which costs more CPU time than a test.
 * test/store/reader.test.ts tests the thread itself.
 */
export function readHere(file: string): ReaderThread {
  const { port1: mine, port2: its } = new MessageChannel()
  answerQuestions(its, file)
  its.unref()
  mine.once('close', () => mine.emit('exit', undefined))
  return mine
}
