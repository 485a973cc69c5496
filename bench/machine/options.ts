import { parseArgs, type ParseArgsConfig } from 'node:util'

type Options = NonNullable<ParseArgsConfig['options']>

/**
 * Reads a bench's options and positional arguments. With --help it prints how the bench is used and
 * ends the process; an option that the bench does not have ends it with exit code 2.
 */
export function readOptions<const T extends Options>(usage: string, options: T) {
  const config = { options, allowPositionals: true } as const
  if (process.argv.includes('--help')) {
    console.log(usage)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    return usageError(usage, error instanceof Error ? error.message : String(error))
  }
}

/** Prints what is wrong with an option and how the bench is used, and ends the process. */
export function usageError(usage: string, problem: string): never {
  console.error(`${problem}\n\n${usage}`)
  process.exit(2)
}
