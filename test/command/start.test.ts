import { execFile } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

/**
 * `cmb` loads little before a command does its work. Each package costs an operator, and each
 * script, CPU time at every command.
 */

const CLI = resolve(import.meta.dirname, '../../src/cli.ts')

/** Prints which packages the modules of the broker import, when the program ends. */
const RECORD = `
import module from 'node:module'
const packages = new Set()
module.registerHooks({
  resolve(specifier, context, next) {
    const bare = !/^(?:[./]|file:|node:)/.test(specifier)
    if (bare && !/node_modules/.test(context.parentURL ?? '/node_modules/')) packages.add(specifier)
    return next(specifier, context)
  },
})
process.on('exit', () => process.stderr.write(JSON.stringify([...packages])))
`

test('cmb loads no package but the parser of its arguments, and a command no more than it needs', async () => {
  const record = `data:text/javascript,${encodeURIComponent(RECORD)}`
  const args = [
    '--import',
    'tsx',
    '--import',
    record,
    CLI,
    'keys',
    'list',
    '--data-dir',
    join(import.meta.dirname, 'none'),
  ]
  const ran = promisify(execFile)(process.execPath, args, { env: { PATH: process.env.PATH ?? '' } })
  const { code, stderr } = await ran.then(
    () => expect.fail('A broker answered.'),
    (error: { code: number; stderr: string }) => error,
  )
  expect([code, JSON.parse(stderr.split('\n').at(-1) ?? '')]).toEqual([3, ['commander']])
})
