import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { findBuilt } from '../../scripts/recipe-needs.mjs'
import { type Block, blocksOf, type Inline, inlineOf, PAGES, ROOT } from '../markdown.ts'
import { onPath } from '../needs.ts'
import { Pooler, POOL_MODES } from '../pooler.ts'
import { commandsOf, type Ran, runCommands } from '../process/shell.ts'
import { helpExamples, onlyReads, parse } from './commands.ts'
import { readerOf, readSettings } from './readers.ts'
import { SNIPPETS } from './snippets.ts'
import { type Documented, openDocumented } from './world.ts'

/**
 * Runs every fenced block, every command in the text and every example of a help, in the order of
 * their page.
 */

/** Other tests that run blocks of a page. */
const RUN_BY: { page: string; languages: string[]; file: string }[] = [
  { page: 'docs/runbook.md', languages: ['sh'], file: 'test/process/runbook.test.ts' },
  {
    page: 'docs/testing-your-instance.md',
    languages: ['ts', 'python'],
    file: 'test/process/broker-dev-packed.test.ts',
  },
]
const MOST_NOT_RUN = 10
/** Languages of pictures, which cannot run. */
const PICTURES = ['text', 'mermaid']

/** The expected output of commands, and exit codes other than 0. */
const EXPECTED: [page: string, command: string, prints: RegExp, ...codes: number[]][] = [
  // No user has signed in, and Microsoft is not connected.
  ['README.md', 'npx cmb doctor', /BROKER_ENTRA_TENANT/, 1],
  ['README.md', 'npx cmb setup', /\/setup/],
  ['README.md', 'npx cmb clients add sydney', /^cms_[\w-]{43}$/m],
  ['README.md', 'npx cmb status', /^microsoft +not_connected/m, 1],
  ['README.md', 'npx cmb sessions list', /No sessions/],
  ['README.md', 'npx cmb revoke --subject', /no such user/, 1],
  ['README.md', 'npx cmb revocations show', /no such revocation/, 1],
  ['README.md', 'npx cmb deliveries redrive', /redriven +0/],
  ['README.md', 'npx cmb --help', /^Usage: cmb/],
  ['', 'cmb doctor', /ok/, 0, 1],
  [
    '',
    'cmb status',
    /^(?:All good|\d+ things? needs? you (?:now|today)|Usage: cmb status|\{)/,
    0,
    1,
  ],
  ['docs/admin-api.md', 'curl', /"status":/],
  ['docs/guard-serve.md', 'curl', /401.*X-Guard: unauthenticated/is],
  ['docs/shared-signals.md', 'curl', /"stream_id":|"sets":/],
  ['docs/webhooks.md', 'curl', /"secret":/],
]

interface Outcome {
  where: string
  /** The category of the outcome in the report. */
  as: 'run' | 'parsed' | 'not run' | 'missing' | 'containers' | 'picture' | 'failed'
  note: string
}
const outcomes: { kind: string; outcome: Outcome }[] = []

let here: Documented
let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'documented-'))
  here = await openDocumented(dir)
})
afterAll(async () => {
  await here?.dispose()
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  report()
})

function report(): void {
  const lines: string[] = []
  for (const [kind, all = []] of Object.entries(
    Object.groupBy(outcomes, (outcome) => outcome.kind),
  )) {
    const counts = Object.entries(Object.groupBy(all, ({ outcome }) => outcome.as)).map(
      ([as, some]) => `${some.length} ${as}`,
    )
    lines.push(`${all.length} ${kind}: ${counts.join(', ')}`)
  }
  for (const { outcome } of outcomes)
    if (['not run', 'missing', 'containers'].includes(outcome.as))
      lines.push(`  ${outcome.as}: ${outcome.where} ${outcome.note}`)
  process.stderr.write(`\nDocumentation:\n${lines.map((line) => `  ${line}\n`).join('')}`)
}

/** Returns what is wrong with the outcome, or undefined if it is as expected. */
function wrong(page: string, { command, code, printed }: Ran): string | undefined {
  const [, , prints, ...codes] =
    EXPECTED.find(
      ([at, beginning]) => (at === page || at === '') && command.startsWith(beginning),
    ) ?? []
  const right = codes.length === 0 ? [0] : codes
  if (code !== undefined && right.includes(code) && (prints?.test(printed) ?? true))
    return undefined
  return `${command}\n  exit ${code}: ${printed.trim().slice(-1500)}`
}

/** A command of README.md that starts a demo and ends it does not run again on another page. */
const REPEATED = 'npm run demo -- --cluster'

async function shell(
  page: string,
  heading: string,
  text: string,
): Promise<Pick<Outcome, 'as' | 'note'>> {
  if (page !== 'README.md' && text.trim() === REPEATED) return { as: 'run', note: 'README.md' }
  const ran = await runCommands(
    commandsOf(await here.valued(page, heading, text)),
    await here.place(page),
  )
  const missing = ran.flatMap(
    ({ printed }) =>
      /^MISSING (\S+)$/m.exec(printed)?.[1] ?? /(\w+): command not found/.exec(printed)?.[1] ?? [],
  )
  if (missing.length > 0)
    return { as: 'missing', note: `this machine has no ${[...new Set(missing)].join(', ')}` }
  const problems = ran.flatMap((runCommand) => wrong(page, runCommand) ?? [])
  return problems.length === 0
    ? { as: 'run', note: '' }
    : { as: 'failed', note: problems.join('\n') }
}

const done = (problems: readonly string[]): Pick<Outcome, 'as' | 'note'> =>
  problems.length === 0 ? { as: 'run', note: '' } : { as: 'failed', note: problems.join('\n') }

/** Runs a block as a part of the program that it belongs to. */
async function script({ page, text, language }: Block): Promise<Pick<Outcome, 'as' | 'note'>> {
  const around = SNIPPETS.find((snippet) => snippet.page === page && text.includes(snippet.has))
  if (around === undefined)
    return {
      as: 'failed',
      note: 'test/documented/snippets.ts does not say in which program it stands.',
    }
  const { cwd, env } = await here.place(page)
  const file = join(cwd, `snippet.${language === 'ts' ? 'ts' : 'mjs'}`)
  // Imports are hoisted, so other lines may come before them.
  writeFileSync(file, `${around.before}\n${text}\n${around.after}`)
  const sydney = here.world.place('sydney')
  const TOKEN = await here.world.accessToken(here.world.newBrowser(), sydney)
  const given = {
    ...env,
    TOKEN,
    CLIENT_SECRET: sydney.clientSecret,
    BROKER_CLIENT_SECRET: sydney.clientSecret,
  }
  if (language === 'ts') {
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2024',
      '--skipLibCheck',
      '--types',
      'node',
    ]
    const [checked] = await runCommands(
      [
        `'${process.execPath}' '${join(ROOT, 'node_modules/typescript/bin/tsc')}' ${options.join(' ')} ${file}`,
      ],
      {
        cwd,
        env: { ...given, PATH: process.env.PATH ?? '' },
      },
    )
    if (checked?.code !== 0) return { as: 'failed', note: checked?.printed ?? '' }
  }
  const [ran] = await runCommands([`'${process.execPath}' ${file}`], {
    cwd,
    env: { ...given, PATH: process.env.PATH ?? '' },
  })
  return ran?.code === 0 && ran.printed.includes('DONE')
    ? { as: 'run', note: '' }
    : { as: 'failed', note: ran?.printed ?? '' }
}

async function java({ page, text }: Block): Promise<Pick<Outcome, 'as' | 'note'>> {
  const jar = findBuilt('spring')
  if (jar === undefined || onPath('javac') === undefined)
    return { as: 'missing', note: 'this machine has no JDK, or not the recipe for Spring' }
  const around = SNIPPETS.find((snippet) => snippet.page === page && text.includes(snippet.has))
  const { cwd } = await here.place(page)
  execFileSync('jar', ['xf', jar, 'BOOT-INF/lib'], { cwd })
  writeFileSync(join(cwd, 'Documented.java'), `${around?.before}\n${text}\n${around?.after}`)
  const jars = readdirSync(join(cwd, 'BOOT-INF/lib')).map((name) => join(cwd, 'BOOT-INF/lib', name))
  const [ran] = await runCommands(
    [`javac -cp '${jars.join(':')}' -d '${cwd}' '${join(cwd, 'Documented.java')}'`],
    {
      cwd,
      env: { PATH: process.env.PATH ?? '' },
    },
  )
  return done(ran?.code === 0 ? [] : [ran?.printed ?? ''])
}

async function postgres({ page, text }: Block): Promise<Pick<Outcome, 'as' | 'note'>> {
  const { cwd, env } = await here.place(page)
  const client = new Client({ connectionString: (await here.postgres()).url('postgres') })
  await client.connect()
  try {
    for (const statement of text.split(';').filter((part) => part.trim() !== ''))
      await client.query(statement)
    for (const [name, owner] of Object.entries({
      broker_restored: 'broker_owner',
      moved: 'broker_owner',
    }))
      await client.query(
        `CREATE DATABASE ${name} OWNER ${owner} ENCODING 'UTF8' TEMPLATE template0`,
      )
    const [migrated] = await runCommands(
      ['cmb migrate --to "postgres://broker_owner@/moved?host=$PGHOST" --grant broker'],
      {
        cwd,
        env: { ...env, PGHOST: (await here.postgres()).dir },
      },
    )
    if (migrated?.code !== 0) return { as: 'failed', note: migrated?.printed ?? '' }
    return { as: 'run', note: '' }
  } catch (error) {
    return { as: 'failed', note: String(error) }
  } finally {
    await client.end()
  }
}

async function pooler({ text }: Block): Promise<Pick<Outcome, 'as' | 'note'>> {
  if (!POOL_MODES.includes('transaction'))
    return { as: 'missing', note: 'this machine has no PgBouncer 1.21 or newer' }
  const opened = await Pooler.open({
    host: (await here.postgres()).dir,
    mode: 'transaction',
    settings: text.trim().split('\n'),
  })
  await opened.close()
  return { as: 'run', note: '' }
}

async function outcomeOf(block: Block): Promise<Pick<Outcome, 'as' | 'note'>> {
  const { page, heading, language, text, notRun } = block
  if (PICTURES.includes(language)) return { as: 'picture', note: '' }
  if (notRun !== undefined) return { as: 'not run', note: notRun }
  if (/^\s*(?:docker|kubectl) |\bProbe: \{| docker /m.test(text) || /livenessProbe/.test(text))
    return { as: 'containers', note: '' }
  const elsewhere = RUN_BY.find(
    (candidate) => candidate.page === page && candidate.languages.includes(language),
  )
  if (elsewhere !== undefined) return { as: 'run', note: elsewhere.file }
  if (language === 'sh' && /^(?:BROKER_\w+=\S+\n)+$/.test(text)) return done(readSettings(text))
  if (language === 'sh') return shell(page, heading, text)
  if (language === 'console') return shell(page, heading, text.replaceAll(/^\$ /gm, ''))
  if (language === 'js' || language === 'ts') return script(block)
  if (language === 'java') return java(block)
  if (language === 'sql') return postgres(block)
  if (language === 'ini') return pooler(block)
  if (language === 'yaml' || language === 'json') {
    const { cwd, root } = await here.place(page)
    const whole = text.replaceAll('[ … ]', '[]').replaceAll(/\/(run|etc)\//g, `${root}/$1/`)
    const reader = readerOf(language, whole)
    return reader === undefined
      ? { as: 'failed', note: 'Nothing in the product reads it.' }
      : done(await reader(whole, cwd))
  }
  return {
    as: 'failed',
    note: `A block of ${language || 'no language'} is of no kind that this test knows.`,
  }
}

const answered = new Map<string, Promise<Pick<Outcome, 'as' | 'note'>>>()

async function inlineOutcome({
  page,
  heading,
  command,
}: Inline): Promise<Pick<Outcome, 'as' | 'note'>> {
  const { problem, isComplete } = await parse(command)
  if (problem !== undefined) return { as: 'failed', note: `${command}\n  ${problem}` }
  const given = await here.valued(page, heading, command)
  // Commands of decision records, and commands with words in capitals (placeholders for the
  // reader's values), are only parsed.
  const isOpen =
    page.startsWith('docs/decisions/') ||
    /[…<]|\b[A-Z]{4,}\b/.test(given.replaceAll(/INC-|-[A-Z]/g, ''))
  const isStep = page === 'docs/scale-out.md' && given.startsWith('cmb migrate --to')
  if (!isComplete || isOpen || !(isStep || onlyReads(given))) return { as: 'parsed', note: '' }
  // A command that only reads has the same outcome on every page, unless it writes a file for the
  // next command.
  const before = isStep || given.includes('>') ? undefined : answered.get(given)
  const outcome = before ?? shell(page, heading, command)
  answered.set(given, outcome)
  return outcome
}

for (const page of PAGES) {
  const blocks = blocksOf(page).map((block) => ({
    kind: 'blocks',
    line: block.line,
    name: block.language,
    run: () => outcomeOf(block),
  }))
  const inline = inlineOf(page).map((code) => ({
    kind: 'commands in the text',
    line: code.line,
    name: code.command,
    run: () => inlineOutcome(code),
  }))
  const all = [...blocks, ...inline].sort((a, b) => a.line - b.line)
  if (all.length === 0) continue
  test.concurrent(page, async ({ expect }) => {
    const failed: string[] = []
    for (const { kind, line, name, run } of all) {
      const where = `${page}:${line} ${name}`
      const outcome = {
        where,
        ...(await run().catch((error: unknown) => ({
          as: 'failed' as const,
          note: String(error),
        }))),
      }
      outcomes.push({ kind, outcome })
      if (outcome.as === 'failed') failed.push(`${where}: ${outcome.note}`)
    }
    await here.tidy(page)
    expect(failed.join('\n\n')).toBe('')
  })
}

test('the examples of every help', async () => {
  const failed: string[] = []
  for (const command of helpExamples()) {
    const place = {
      page: 'docs/cmb.md',
      line: 0,
      heading: '',
      command: command.replace(/^source <\((.*)\)$/, '$1'),
    }
    const outcome = { where: command, ...(await inlineOutcome(place)) }
    outcomes.push({ kind: 'examples of a help', outcome })
    if (outcome.as === 'failed') failed.push(outcome.note)
  }
  expect(failed.join('\n\n')).toBe('')
})

test(`at most ${MOST_NOT_RUN} blocks say why they do not run; each file that runs blocks instead reads the page`, () => {
  const notRun = PAGES.flatMap(blocksOf).filter((block) => block.notRun !== undefined)
  expect(notRun.length).toBeLessThanOrEqual(MOST_NOT_RUN)
  for (const { file, page } of RUN_BY)
    expect(readFileSync(join(ROOT, file), 'utf8'), file).toMatch(new RegExp(`INCIDENTS|${page}`))
})
