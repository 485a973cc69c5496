import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { expect, onTestFinished } from 'vitest'
import { findPython } from '../../../scripts/python-guard.mjs'
import { CLIENT, eventually, START, startBroker, TestClock, type Broker } from '../stand-in.ts'

/** A Python program with a guard: it reads and writes a JSON message a line. */

export const PYTHON = findPython()

/** Returns a broker whose clock shows the time of day, as that of a guard for Python does. */
export function startBrokerOfToday(): Promise<Broker> {
  const clock = new TestClock()
  clock.set(Date.now() / 1000 - START)
  return startBroker(clock)
}

/**
 * Starts a program, and gives it the options of its guard.
 * @param isEvent says which of its messages are no answers
 */
export function startProgram<Answer extends object>(
  file: string,
  broker: Broker,
  options: object,
  isEvent: (message: Answer) => boolean,
) {
  const program = spawn(PYTHON ?? '', [file], {
    stdio: 'pipe',
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  })
  onTestFinished(() => void program.kill())
  let logged = ''
  program.stderr.on('data', (chunk: Buffer) => (logged += chunk.toString()))
  const answers: Answer[] = []
  const events: Answer[] = []
  createInterface({ input: program.stdout }).on('line', (line) => {
    const message = JSON.parse(line) as Answer
    if (isEvent(message)) events.push(message)
    else answers.push(message)
  })
  const write = (message: object): void => void program.stdin.write(`${JSON.stringify(message)}\n`)
  write({
    issuer: broker.issuer,
    client_id: CLIENT.clientId,
    client_secret: CLIENT.clientSecret,
    audience: 'https://sydney.example',
    guard: 'python-1',
    ...options,
  })
  let count = 0
  const ask = async (request: object): Promise<Answer> => {
    write(request)
    const at = count++
    await eventually(() => expect(answers.length).toBeGreaterThan(at))
    return answers[at] as Answer
  }
  return { ask, events, logged: () => logged }
}
