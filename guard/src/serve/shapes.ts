/** What a value from a JSON file is. */

export const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

/** Members that no one knows are mistakes: a rule whose `any_roles` was ignored would let everybody through. */
export function nameProblems(at: string, value: unknown, known: readonly string[]): string[] {
  const place = at === '' ? '' : `${at}: `
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [`${place}must be an object.`]
  const unknown = Object.keys(value).filter((name) => !known.includes(name))
  return unknown.map((name) => `${place}unknown member "${name}". Known: ${known.join(', ')}.`)
}
