import { type Figure, measureActs } from './worst-case/acts.ts'
import { type Start, starts } from './worst-case/start.ts'
import { load1 } from './machine/machine.ts'
import { readOptions, usageError } from './machine/options.ts'

/**
 * Proves that every act is bounded. On a store of 4 million revocations and 1 million sessions, it
 * measures for each list, page, feed connection, purge, fan-out and backup the longest time that it
 * holds the event loop (without COMMIT) and the p99 of refreshes beside it. It also measures how
 * soon a broker answers that starts on a store in which a million rows of everything are due.
 */

const USAGE = `npm run bench worst-case -- [options]
  --scale S     share of the full size: 4 million revocations, 1 million sessions, 2 million deliveries (default 1, which needs 8 GB of disk)
  --rounds N    how often each act is measured; the median of its rounds is printed (default 5)
  --seconds S   purge, fan-out, erasure and export are stopped after S seconds in each round (default 15)
  --only PART   acts, or start (default: both)
  --act TEXT    only acts whose name has this text in it, beside refreshes alone; several texts are separated by commas
  --store DIR   keeps the store of the acts in DIR, and measures on a copy of it: the next run need not write it again
  --help        prints this`
const [MOST_LOOP_MS, MOST_TIMES, MOST_START_SECONDS] = [20, 3, 2]
const { values } = readOptions(USAGE, {
  scale: { type: 'string', default: '1' },
  rounds: { type: 'string', default: '5' },
  seconds: { type: 'string', default: '15' },
  only: { type: 'string', default: '' },
  act: { type: 'string', default: '' },
  store: { type: 'string' },
})

function numbersOf() {
  const numbers = {
    scale: Number(values.scale),
    rounds: Number(values.rounds),
    mostSeconds: Number(values.seconds),
  }
  if (!Object.values(numbers).every((value) => value > 0))
    usageError(USAGE, '--scale, --rounds and --seconds take a number above 0.')
  return numbers
}

function printActs(figures: readonly Figure[], mostSeconds: number): void {
  const alone = figures[0]?.refreshMs ?? Number.NaN
  console.log(
    `\n${'act'.padEnd(46)}${'took'.padStart(9)}${'loop less COMMIT'.padStart(19)}${'its CPU'.padStart(12)}${'refresh p99'.padStart(14)}${'× alone'.padStart(10)}`,
  )
  for (const { name, seconds, loopMs, loopCpuMs, refreshMs } of figures) {
    const times = refreshMs / alone
    const over = loopCpuMs > MOST_LOOP_MS || times > MOST_TIMES ? '  over the aim' : ''
    console.log(
      `${name.padEnd(46)}${seconds.toFixed(2).padStart(7)} s${loopMs.toFixed(1).padStart(16)} ms${loopCpuMs.toFixed(1).padStart(9)} ms${refreshMs.toFixed(1).padStart(11)} ms${times.toFixed(1).padStart(10)}${over}`,
    )
  }
  console.log(
    `Aims: the loop at most ${MOST_LOOP_MS} ms (CPU), refreshes at most ${MOST_TIMES} times alone. What can go on is stopped after ${mostSeconds} s in each round.`,
  )
}

function printStarts(all: readonly Start[]): void {
  console.log(
    `\n${'start'.padEnd(60)}${'answers'.padStart(9)}${'then unanswered'.padStart(18)}${'guards live'.padStart(14)}`,
  )
  for (const { name, answersSeconds, unansweredSeconds, liveSeconds } of all) {
    const over = answersSeconds > MOST_START_SECONDS ? '  over the aim' : ''
    const live = liveSeconds === undefined ? '—' : `${liveSeconds.toFixed(2)} s`
    console.log(
      `${name.padEnd(60)}${answersSeconds.toFixed(2).padStart(7)} s${unansweredSeconds.toFixed(2).padStart(16)} s${live.padStart(14)}${over}`,
    )
  }
  console.log(`Aim: the first answer within ${MOST_START_SECONDS} s of the start of the process.`)
}

async function main(): Promise<void> {
  const numbers = numbersOf()
  const { only, act, store } = values
  if (!['', 'acts', 'start'].includes(only)) usageError(USAGE, '--only takes acts or start.')
  const now = Math.floor(Date.now() / 1000)
  const before = load1()
  const all = only === 'acts' ? [] : await starts(numbers.scale, now, console.log)
  const how = { ...numbers, named: act.split(','), keptIn: store, now, say: console.log }
  const figures = only === 'start' ? [] : await measureActs(how)
  if (figures.length > 0) printActs(figures, numbers.mostSeconds)
  if (all.length > 0) printStarts(all)
  console.log(`Load of the machine: ${before} before, ${load1()} after.`)
  console.log(JSON.stringify({ scale: numbers.scale, figures, starts: all }))
}

await main()
