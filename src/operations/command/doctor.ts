import { access, constants, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { remedy } from '../../../db/files.ts'
import type { Config, ConfigError } from '../../config/config.ts'
import { urgencyOf } from '../checks/check.ts'
import { failed, type Finding, type Found, ok, settingWarning, warning } from '../checks/finding.ts'
import { CommandFailure, EXIT, openBroker } from './broker.ts'
import { local, type Context } from './context.ts'
import { URGENCY } from './show.ts'
import { SAYS } from './texts/answers.ts'

/**
 * The command `cmb doctor`, which checks settings and data directory itself and asks a running
 * broker for the rest.
 */
export const doctorCommand = local(
  {
    name: 'doctor',
  },
  async ({ context, self }) => {
    const findings = await look(context, context.dataDir(self))
    context.print(self, { findings }, () => printed(findings))
    self.setOptionValue(
      'exitCode',
      findings.some((finding) => finding.state === 'failed') ? EXIT.failed : EXIT.done,
    )
  },
)

async function look(context: Context, dataDir: string): Promise<Finding[]> {
  const inside = await fromBroker(context, dataDir)
  const running = inside.every(
    (candidate) => candidate.check !== 'broker' || candidate.state === 'ok',
  )
  const { ConfigError, loadConfig } = await import('../../config/config.ts')
  const found = await Promise.resolve()
    .then(() => loadConfig(context.environment({ BROKER_DATA_DIR: dataDir })))
    .catch((error: unknown) => {
      if (error instanceof ConfigError) return error
      throw error
    })
  const config = found instanceof ConfigError ? undefined : found
  return [
    ...named('environment', settings(found, running)),
    ...named('data-directory', [await directory(dataDir)]),
    ...(running || config === undefined ? [] : await withoutBroker(config)),
    ...inside,
  ]
}

/** Names the findings of a check of this command. A broker does not start while it fails. */
const named = (check: string, found: readonly Found[]): Finding[] =>
  found.map((finding) => {
    const urgency = urgencyOf({ severity: 'page' }, finding.state)
    return { check, ...(urgency && { urgency }), ...finding }
  })

/** The checks of a running broker that need none. */
async function withoutBroker(config: Config): Promise<Finding[]> {
  const { examineClientsFile } = await import('../checks/broker.ts')
  const { diskOf } = await import('../checks/storage.ts')
  return [
    ...named('clients-file', await examineClientsFile(config, false)),
    ...named(
      'disk',
      await diskOf(config).then(
        (found) => [found],
        () => [],
      ),
    ),
  ]
}

/**
 * Judges the settings. Beside a running broker a missing setting is only a warning, because the
 * shell rarely has the broker's environment.
 */
function settings(read: Config | ConfigError, running: boolean): Found[] {
  if ('warnings' in read)
    return [ok('Every setting here can be read.'), ...read.warnings.map(settingWarning)]
  if (running) return [warning(SAYS.shell_differs, SAYS.to_check)]
  return read.problems.map(({ name, problem, example }) =>
    failed(
      `It ${problem}.`,
      example === ''
        ? 'docs/configuration.md lists every setting.'
        : `For example: ${name}=${example}`,
      { about: name },
    ),
  )
}

async function directory(dataDir: string): Promise<Found> {
  try {
    const { mode, uid } = await stat(dataDir)
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    if ((mode & 0o077) !== 0)
      return warning(`Other users can read ${dataDir}.`, `chmod 700 ${dataDir}`)
    const self = process.getuid?.() ?? uid
    const owner = self === 0 ? uid : self
    const foreign = await filesOfOthers(dataDir, owner)
    if (foreign.length > 0) return failed(SAYS.foreign_files, `chown ${owner} ${foreign.join(' ')}`)
    return ok(`The broker can use ${dataDir}.`)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return warning(SAYS.no_directory(dataDir), SAYS.right_directory)
    return failed(
      `${dataDir} cannot be used (${code ?? 'error'}).`,
      SAYS.as_its_user(remedy(code, dataDir)),
    )
  }
}

/**
 * Lists the files that another user owns; none for root as the owner, who may own the folder of a
 * mounted volume.
 */
async function filesOfOthers(dataDir: string, owner: number): Promise<string[]> {
  const names = await readdir(dataDir)
  const files = names.filter((name) => OWN.test(name)).map((name) => join(dataDir, name))
  const owners = await Promise.all(files.map((file) => stat(file)))
  return files.filter((_, at) => owner > 0 && owners[at]?.uid !== owner)
}

const OWN = /^(broker\.db(\.lock|\.mark)?|postgres\.mark)$/

async function fromBroker(context: Context, dataDir: string): Promise<Finding[]> {
  try {
    const { findings } = await (await openBroker(context.terminal, dataDir)).ask('GET /doctor')
    return [...named('broker', [ok('It runs.')]), ...findings]
  } catch (error) {
    if (!(error instanceof CommandFailure)) throw error
    const found = error.message.replaceAll('\n', ' ')
    return named('broker', [failed(found, SAYS.start_it)])
  }
}

const MARK = { ...URGENCY, unknown: 'Not known', ok: 'ok' } as const
type Mark = keyof typeof MARK
const MARKS = Object.keys(MARK) as Mark[]

/** Returns how urgent a finding is, that it is not known, or that all is well. */
const markOf = ({ state, urgency }: Finding): Mark => urgency ?? (state === 'ok' ? 'ok' : 'unknown')

/**
 * Returns what is wrong, the most urgent first, and each subject's good checks in one line. Findings
 * of a check that differ in what they are about alone are one.
 */
function printed(findings: readonly Finding[]): string {
  const byMark = Map.groupBy(findings, markOf)
  const problems = MARKS.filter((mark) => mark !== 'ok').flatMap((mark) => {
    const same = Map.groupBy(byMark.get(mark) ?? [], ({ check, found, fix }) =>
      [check, found, fix].join('\n'),
    )
    return [...same.values()].map(([first, ...others]) => {
      const about = [first, ...others].flatMap((each) => each?.about ?? []).join(', ')
      return `${MARK[mark].padEnd(9)}  ${first?.check}${about && ` (${about})`}: ${first?.found}\n${first?.fix === undefined ? '' : `           -> ${first.fix}\n`}`
    })
  })
  const good = Map.groupBy(byMark.get('ok') ?? [], ({ about = 'the broker' }) => about)
  const goodLines = [...good].map(
    ([about, its]) => `ok         ${about}: ${its.map(({ check }) => check).join(', ')}\n`,
  )
  const counts = MARKS.map((mark) => {
    const { length } = byMark.get(mark) ?? []
    return `${length} ${MARK[mark].toLowerCase()}${mark === 'note' && length !== 1 ? 's' : ''}`
  })
  return `${problems.join('')}${goodLines.join('')}\n${counts.join(', ')}.\n`
}
