import { MessageChannel } from 'node:worker_threads'
import { answerQuestions } from '../db/sqlite/long-reads.ts'
import type { ReaderThread } from '../db/sqlite/reader.ts'

/**
 * What a store reads at length, in this thread instead of one of its own: on a connection of its
 * own all the same, and by messages. A thread loads the store's modules again, which costs more CPU
 * time than a test. The thread itself is tested in test/store/reader.test.ts.
 */
export function readHere(file: string): ReaderThread {
  const { port1: mine, port2: its } = new MessageChannel()
  answerQuestions(its, file)
  its.unref()
  mine.once('close', () => mine.emit('exit', undefined))
  return mine
}
