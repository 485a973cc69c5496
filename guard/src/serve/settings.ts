import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { readOptions } from '../options.ts'
import { toConfig, type ServeConfig } from './config.ts'
import { SETTINGS, flagOf, variableOf, type Name } from './setting-table.ts'

/** Reads the settings from where they may be. */

interface Sources {
  /** `--name value`, by the setting's name. */
  flags: Readonly<Record<string, string>>
  env: Readonly<Record<string, string | undefined>>
  /** The JSON file of settings, if there is one. */
  file: string | undefined
}

/** Flags before the environment before the file. Every problem at once, with an example. */
export function readSettings({ env, file, flags }: Sources): { ok: true; config: ServeConfig } | { ok: false; problems: string[] } {
  const problems: string[] = []
  const say = (name: Name, wrong: string): void => {
    const { example } = SETTINGS.find((one) => one.name === name) ?? { example: '' }
    problems.push(`${named(name)}: ${wrong} Example: ${example}`)
  }
  const inFile = file === undefined ? {} : readFile(file, problems)
  const values = new Map<string, string>()
  for (const { name, fallback } of SETTINGS) {
    const value = flags[name] ?? env[variableOf(name)] ?? inFile[name] ?? fallback
    if (value !== undefined) values.set(name, value)
  }
  const get = (name: Name): string | undefined => values.get(name) || undefined
  const config = toConfig(get, say)
  if (problems.length === 0) problems.push(...guardProblems(config.guard))
  return problems.length === 0 ? { ok: true, config } : { ok: false, problems }
}

/** Settings whose option of the guard has another name. */
const SETTING_OF: Readonly<Record<string, string>> = {
  clientSecret: 'client_secret_file',
  clientKey: 'client_key_file',
  'staleness.afterSeconds': 'stale_after_seconds',
}
const settingOf = (option: string): string => SETTING_OF[option] ?? option.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** What the guard finds wrong, by the names that the operator wrote. */
function guardProblems(options: ServeConfig['guard']): string[] {
  try {
    readOptions(options)
    return []
  } catch (error) {
    const [, ...problems] = (error as Error).message.split('\n- ')
    return problems.map((problem) => problem.replace(/^[\w.]+/, (option) => named(settingOf(option))))
  }
}

const named = (name: string): string => `${name} (${flagOf(name)}, ${variableOf(name)})`

/** File values as text; paths in the file are relative to it. */
function readFile(file: string, problems: string[]): Record<string, string> {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    problems.push(`The settings in ${file} cannot be read: ${(error as Error).message}.`)
    return {}
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    problems.push(`The settings in ${file} must be an object, e.g. { "issuer": "https://sign-in.example" }.`)
    return {}
  }
  const known = SETTINGS.map(({ name }) => name)
  const read: Record<string, string> = {}
  for (const [name, value] of Object.entries(document)) {
    if (name === '$schema') continue
    if (!known.includes(name)) problems.push(`${file}: unknown setting "${name}". Known: ${known.join(', ')}.`)
    else if (['string', 'number'].includes(typeof value)) read[name] = String(value)
    else if (Array.isArray(value)) read[name] = value.join(',')
    else problems.push(`${file}: ${name} must be a text, a number or a list of texts.`)
    if (isPath(name) && read[name] !== undefined) read[name] = resolve(dirname(file), read[name])
  }
  return read
}

const isPath = (name: string): boolean => name === 'rules' || name.endsWith('_file')
