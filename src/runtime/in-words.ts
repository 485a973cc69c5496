import type { z } from 'zod'

/**
 * Error messages for Zod's findings, for schemas without their own. Each completes a sentence that
 * begins with the name of the field.
 */

const KINDS: Readonly<Record<string, string>> = {
  string: 'a text',
  int: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}
const UNITS: Readonly<Record<string, string>> = {
  string: ' characters',
  array: ' entries',
  record: ' members',
}

export const inWords: z.core.$ZodErrorMap = (issue) => {
  if (issue.code === 'invalid_type')
    return issue.input === undefined
      ? 'is missing'
      : `has to be ${KINDS[issue.expected] ?? issue.expected}`
  if (issue.code === 'invalid_value') return `has to be ${issue.values.map(String).join(' or ')}`
  if (issue.code === 'too_small')
    return `has to be at least ${issue.minimum}${UNITS[issue.origin] ?? ''}`
  if (issue.code === 'too_big')
    return `has to be at most ${issue.maximum}${UNITS[issue.origin] ?? ''}`
  return 'has another form than the document of the API (/openapi.json) says'
}
