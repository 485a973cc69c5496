import { execFile, execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ROOT } from '../markdown.ts'

/** Runs the commands of the documentation as a reader types them. */

export interface Ran {
  command: string
  /** The exit code; undefined where an earlier command ended the shell. */
  code: number | undefined
  printed: string
}

const MOST_MS = 240_000
const NODE = join(ROOT, 'node_modules/.bin/node')

/**
 * Writes programs of one line of shell each.
 * @returns their directory, which goes first into PATH
 */
export function install(parent: string, programs: Record<string, string>): string {
  const dir = join(parent, 'programs')
  mkdirSync(dir, { recursive: true })
  for (const [name, line] of Object.entries(programs)) {
    writeFileSync(join(dir, name), `#!/bin/sh\n${line}\n`)
    chmodSync(join(dir, name), 0o755)
  }
  return dir
}
export const CMB = `exec '${existsSync(NODE) ? NODE : process.execPath}' '${join(ROOT, 'dist/src/cli.js')}' "$@"`

/** Returns the commands of a script. A command over several lines counts as one. */
export function commandsOf(script: string): string[] {
  const commands: string[] = []
  let command = ''
  for (const line of script.split('\n')) {
    command += command === '' ? line : `\n${line}`
    if (command.trim() === '' || command.trim().startsWith('#')) command = ''
    else if (isWhole(command)) {
      commands.push(command.replace(/\s+#[^'"]*$/, '').trim())
      command = ''
    }
  }
  if (command.trim() !== '') commands.push(command.trim())
  return commands
}

/**
 * Returns whether a command is complete: its quotes are closed, and a document within it (`<<`) has
 * its end.
 */
function isWhole(command: string): boolean {
  if (command.endsWith('\\')) return false
  if (!/['"<({|&]/.test(command)) return true
  try {
    return (
      execFileSync('bash', ['-c', 'bash -n -c "$1" 2>&1', '-', command], {
        encoding: 'utf8',
      }).trim() === ''
    )
  } catch {
    return false
  }
}

/**
 * Runs the commands in one shell, in which each may set variables for the next. An unset variable
 * is an error.
 */
export async function runCommands(
  commands: readonly string[],
  options: { cwd?: string; env: Record<string, string> },
): Promise<Ran[]> {
  const dir = mkdtempSync(join(tmpdir(), 'shell-'))
  const lines = commands.flatMap((command, at) => [
    `{ ${command}`,
    `} >'${dir}/${at}' 2>&1 </dev/null`,
    `echo $? >'${dir}/${at}.code'`,
  ])
  await new Promise<void>((done) => {
    execFile(
      'bash',
      ['-uo', 'pipefail', '-c', lines.join('\n')],
      { ...options, timeout: MOST_MS },
      () => done(),
    )
  })
  const text = (name: string): string | undefined =>
    existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8') : undefined
  const ran = commands.map((command, at) => {
    const code = text(`${at}.code`)
    return {
      command,
      code: code === undefined ? undefined : Number(code),
      printed: text(String(at)) ?? '',
    }
  })
  rmSync(dir, { recursive: true, force: true })
  return ran
}
