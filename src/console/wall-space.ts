import { healthOf, type InstanceNow } from './instances.ts'
import type { Problem } from './problems.tsx'

/**
 * What fits one screen: a display is not scrolled. The unit is a line of text, of which a screen of 16:9 has the same number at any size
 * (wall.css). What does not fit is left out whole, and the page says how many more there are.
 */

/** For problems and instances together; fewer under the banner of a simulated Microsoft. */
const [LINES, LINES_SIMULATED] = [14, 12]
/** Of a line of a problem and of the two columns of an instance, at a generous width. */
const [LETTERS, LETTERS_OF_NAME, LETTERS_OF_STATE] = [64, 22, 28]
/** The padding of a problem or a row, as part of a line. */
const [AROUND_PROBLEM, AROUND_ROW] = [1.5, 0.5]
const [MOST_PROBLEMS, LEAST_INSTANCES, MOST_INSTANCES] = [3, 2, 5]

const linesOf = (text: string, letters: number): number => Math.ceil(text.length / letters)
const problemHeight = ({ title, fix }: Problem): number => {
  const fixLines = typeof fix === 'string' ? linesOf(`What to do: ${fix}`, LETTERS) : 0
  return AROUND_PROBLEM + linesOf(`act today ${title} since 09:00:12 UTC`, LETTERS) + fixLines
}
/** A long name ends in its second line. */
const rowHeight = (one: InstanceNow): number =>
  AROUND_ROW + Math.max(Math.min(2, linesOf(one.name, LETTERS_OF_NAME)), linesOf(healthOf(one).why, LETTERS_OF_STATE))

const sum = (heights: readonly number[]): number => heights.reduce((total, one) => total + one, 0)

interface Bounds<T> {
  lines: number
  least: number
  most: number
  height: (one: T) => number
}

/** The first of a list that fit into so many lines; as many as `least` in any case. */
function first<T>(all: readonly T[], { lines, least, most, height }: Bounds<T>): T[] {
  const heights = all.map(height)
  let count = Math.min(all.length, most)
  while (count > least && sum(heights.slice(0, count)) > lines) count -= 1
  return all.slice(0, count)
}

interface Shown {
  problems: readonly Problem[]
  instances: readonly InstanceNow[]
}

/** Both are given the worst first. The worst problem and two instances are always shown. */
export function whatFits({ problems, instances }: Shown, simulated: boolean): Shown {
  const lines = simulated ? LINES_SIMULATED : LINES
  const least = sum(instances.slice(0, LEAST_INSTANCES).map(rowHeight))
  const shown = first(problems, { lines: lines - least, least: 1, most: MOST_PROBLEMS, height: problemHeight })
  const left = lines - sum(shown.map(problemHeight))
  return { problems: shown, instances: first(instances, { lines: left, least: LEAST_INSTANCES, most: MOST_INSTANCES, height: rowHeight }) }
}
