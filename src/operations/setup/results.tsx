import type { Context } from 'hono'
import { guidanceFor } from '../../microsoft/guidance.ts'
import { Notice } from '../../pages/components.tsx'
import { RESULTS, type StepResult } from './texts/results.ts'

/** Shows the result of a step at the head of a page of the set-up. */

const isResult = (key: string): key is keyof typeof RESULTS => Object.hasOwn(RESULTS, key)

/**
 * Returns the result of a step, which the URL's key selects. The URL cannot contain the text itself.
 */
export function resultOf(c: Context): StepResult | undefined {
  const result = c.req.query('result')
  if (result === undefined) return undefined
  if (isResult(result)) return RESULTS[result]
  const [key = '', code] = result.split('.')
  const guidance = guidanceFor(key)
  const number = code !== undefined && /^\d{4,8}$/.test(code) ? ` Microsoft’s code is ${code}.` : ''
  return {
    kind: 'bad',
    title: 'Microsoft did not let it through.',
    words: `${guidance.operator}${number}`,
  }
}

export const Result = ({ result }: { result: StepResult | undefined }) =>
  result === undefined ? null : (
    <Notice kind={result.kind} title={result.title}>
      {result.words}
    </Notice>
  )
