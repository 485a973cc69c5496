import { isDeepStrictEqual } from 'node:util'

/** Compares what a guard has sent with what a case expects. */

interface Special {
  $is?: string
  $between?: [number, number]
  $streams?: number[]
  $not?: unknown
}

/**
 * Returns where a value differs from a pattern (shapes.ts), or undefined if it does not.
 * @param streams the names of the streams and pollers so far
 */
export function differs(
  pattern: unknown,
  value: unknown,
  streams: readonly string[] = [],
): string | undefined {
  if (pattern === null) return value === undefined || value === null ? undefined : shown(value)
  if (typeof pattern !== 'object' || Array.isArray(pattern))
    return isDeepStrictEqual(pattern, value) ? undefined : shown(value)
  const { $is, $between, $not, $streams } = pattern as Special
  if ($is !== undefined) return new RegExp($is).test(String(value)) ? undefined : shown(value)
  if ($between !== undefined) {
    const [least, most] = $between
    return typeof value === 'number' && value >= least && value <= most ? undefined : shown(value)
  }
  if ($streams !== undefined) {
    const wanted = $streams.map((index) => streams.at(index))
    return isDeepStrictEqual(new Set(wanted), new Set([value ?? []].flat()))
      ? undefined
      : shown(value)
  }
  if ('$not' in pattern)
    return differs($not, value, streams) === undefined ? shown(value) : undefined
  for (const [name, each] of Object.entries(pattern)) {
    const wrong = differs(each, (value as Record<string, unknown> | undefined)?.[name], streams)
    if (wrong !== undefined) return `${name}: ${wrong}`
  }
  return undefined
}

const shown = (value: unknown): string => (JSON.stringify(value) ?? 'nothing').slice(0, 200)
