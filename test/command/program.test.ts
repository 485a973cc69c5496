import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { describe, expect, onTestFinished, test } from 'vitest'
import { variablesOf } from '../../src/config/read.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { HELP } from '../../src/operations/command/texts/help.ts'
import { createProgram } from '../../src/program.ts'
import { createRig } from '../rig.ts'
import { cmb, silent, startCmb } from './cmb.ts'

const emptyDir = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-none-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
const GOOD = {
  BROKER_ISSUER: 'https://login.case-manager.example',
  BROKER_SECRET: '00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff',
}

describe('cmb', () => {
  test('says how to start a broker where none runs, and exits 3', async () => {
    for (const args of [
      ['status'],
      ['clients', 'list'],
      ['sessions', 'list'],
      ['revoke', '--session', 's'],
      ['deliveries', 'list'],
      ['keys', 'list'],
      ['guards'],
      ['tenants'],
      ['revocations', 'list'],
    ]) {
      const ran = await cmb(args, { dataDir: emptyDir() })
      expect(ran).toMatchObject({ code: 3, out: '' })
      expect(ran.err).toContain('npm start')
      expect(ran.err).toContain('--data-dir')
    }
  })

  test('--version is that of the package', async () => {
    const { version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    expect(await cmb(['--version'], { dataDir: emptyDir() })).toMatchObject({
      code: 0,
      out: `${version}\n`,
    })
  })

  test('every command has help, and help is not an error', async () => {
    const paths = [
      '',
      'serve',
      'work',
      'doctor',
      'status',
      'guards',
      'tenants',
      'clients',
      'clients list',
      'clients show',
      'clients add',
      'clients update',
      'clients rotate-secret',
      'clients remove',
      'search',
      'sign-ins',
      'reports list',
      'reports done',
      'sessions list',
      'revoke',
      'revocations list',
      'revocations show',
      'deliveries list',
      'deliveries redrive',
      'deliveries close',
      'keys list',
      'keys rotate',
      'keys retire',
      'audit',
      'users erase',
      'users export',
      'backup',
      'restore',
    ]
    for (const path of paths) {
      const ran = await cmb([...path.split(' ').filter(Boolean), '--help'], { dataDir: emptyDir() })
      expect(ran).toMatchObject({ code: 0, err: '' })
      expect(ran.out).toContain(`Usage: cmb ${path}`.trim())
    }
  })

  test('every command has a description, and the help of every name is that of a command', () => {
    const below = ({ commands }: Command, path = ''): (readonly [string, string])[] =>
      commands.flatMap((command) => {
        const name = `${path} ${command.name()}`.trim()
        return [[name, command.description()] as const, ...below(command, name)]
      })
    const commands = new Map(below(createProgram(silent)))
    expect([...commands].filter(([, description]) => description === '')).toEqual([])
    expect(Object.keys(HELP).filter((name) => !commands.has(name))).toEqual([])
  })

  test('each list of commands and options is wrapped at 80 columns', () => {
    const below = (command: Command): Command[] => [command, ...command.commands.flatMap(below)]
    const long = below(createProgram(silent)).flatMap((command) => {
      const help = command.helpInformation()
      return help
        .slice(help.indexOf('\nOptions:'))
        .split('\n')
        .filter((line) => line.length > 80)
    })
    expect(long).toEqual([])
  })

  test('no command declares an option that cmb itself takes: it would never see the value', () => {
    const program = createProgram(silent)
    const global = new Set(
      program.options
        .flatMap(({ short, long }) => [short, long])
        .filter((name) => name !== undefined),
    )
    const shadowed = ({ commands }: Command, path: string): string[] =>
      commands.flatMap((command) => [
        ...command.options
          .flatMap(({ short, long }) => [short, long])
          .flatMap((name) => (global.has(name ?? '') ? [`${path} ${command.name()} ${name}`] : [])),
        ...shadowed(command, `${path} ${command.name()}`),
      ])
    expect(global).toContain('--url')
    expect(shadowed(program, 'cmb')).toEqual([])
  })

  test('an unknown command, and one that lacks an argument, exit 2', async () => {
    for (const args of [
      [],
      ['dance'],
      ['clients'],
      ['clients', 'show'],
      ['status', '--loud'],
      ['keys', 'rotate'],
    ])
      expect((await cmb(args, { dataDir: emptyDir() })).code).toBe(2)
  })

  test('work --help lists the kinds of work', async () => {
    expect((await cmb(['work', '--help'], { dataDir: emptyDir() })).out).toMatch(
      /deliveries +writes[^]*probe +asks[^]*keys +rotates/,
    )
  })

  test('no command reads a setting by itself: context.ts does, and an operator’s own CMB_ variables are read in remote.ts', () => {
    const dir = join(import.meta.dirname, '../../src/operations/command')
    const sources = readdirSync(dir, { withFileTypes: true })
      .filter((candidate) => candidate.isFile())
      .map(({ name }) => [name, readFileSync(join(dir, name), 'utf8')] as const)
    expect(sources.filter(([, text]) => /\benv\b/.test(text)).map(([name]) => name)).toEqual([
      'context.ts',
      'remote.ts',
      'terminal.ts',
    ])
    const known = new Set(variablesOf(SETTINGS))
    const read = sources.flatMap(([, text]) =>
      [...text.matchAll(/\bsetting\('(\w+)'\)/g)].map(([, name = '']) => name),
    )
    expect(read.length).toBeGreaterThan(2)
    expect(read.filter((name) => !known.has(name))).toEqual([])
    expect(sources.find(([name]) => name === 'remote.ts')?.[1]).not.toContain('BROKER_')
  })

  test('a setting counts from the file that <NAME>_FILE names; one that cannot be read ends every command', async () => {
    const dir = emptyDir()
    const file = join(dir, 'setting')
    const at = (settings: Record<string, string>) => ({ dataDir: '', env: settings })
    writeFileSync(file, `${join(dir, 'data')}\n`)
    const { err } = await cmb(['status'], at({ BROKER_DATA_DIR_FILE: file }))
    expect(err).toContain(`No broker is running on ${join(dir, 'data')} (`)
    expect(err).toMatch(/If several brokers share a database, ask another one: --data-dir/)
    expect(await cmb(['doctor'], at({ ...GOOD, BROKER_DATA_DIR_FILE: file }))).toMatchObject({
      out: expect.stringMatching(/^ok +the broker: environment$/m) as string,
    })
    writeFileSync(file, 'postgres://broker:hunter2@127.0.0.1:1/broker\n')
    for (const command of [
      ['restore', file, '--yes'],
      ['restore', '--adopt', '--yes'],
      ['migrate'],
      ['migrate-store'],
    ]) {
      const named = await cmb(command, at({ BROKER_DATA_DIR: dir, BROKER_DATABASE_URL_FILE: file }))
      const err = expect.stringMatching(
        /is not a complete database|Postgres cannot be reached|ECONNREFUSED|There is no/,
      ) as string
      expect([command, named.err]).toEqual([command, err])
      expect(named.err).not.toContain('hunter2')
      const unread = await cmb(
        command,
        at({ BROKER_DATA_DIR: dir, BROKER_DATABASE_URL_FILE: join(dir, 'none') }),
      )
      expect(unread).toMatchObject({
        code: 2,
        err: expect.stringMatching(
          /^BROKER_DATABASE_URL_FILE names a file that cannot be read/,
        ) as string,
      })
    }
    expect(readdirSync(dir)).not.toContain('broker.db')
  })

  test('--data-dir wins over BROKER_DATA_DIR', async () => {
    const rig = await createRig()
    await startCmb(rig)
    expect(
      (await cmb(['status', '--data-dir', rig.config.dataDir], { dataDir: emptyDir() })).out,
    ).toContain(rig.config.issuer)
  })

  test('status, guards and tenants, in words and as JSON', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    rig.queue.up = false
    const status = (await type(['status', '--json'])).json<{
      status: string
      parts: { queue: { state: string } }
    }>()
    expect(status).toMatchObject({ status: 'degraded', parts: { queue: { state: 'down' } } })
    expect(await type(['status'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^1 thing needs you today\.\nAct today \([\w-]{10}\): .*\n {2}-> [^]*degraded/,
      ) as string,
    })
    expect(await (await rig.opsApp.request('/readyz')).json()).toMatchObject({
      verdict: '1 thing needs you today',
    })
    const probe = rig.store.probe
    rig.store.probe = () => Promise.reject(new Error('disk full'))
    expect(await type(['status'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('unavailable') as string,
    })
    rig.store.probe = probe
    const deliveryCounts = rig.store.deliveryCounts
    rig.store.deliveryCounts = async () => [
      { clientId: 'sydney', state: 'rejected', count: 2 },
      { clientId: 'perth', state: 'delivered', count: 5 },
    ]
    rig.clock.advance(5)
    const { out } = await type(['status'])
    expect(out).toMatch(/-> .*cmb deliveries redrive --client sydney[^]*sydney +rejected +2\b/)
    expect(out).not.toContain('perth')
    rig.store.deliveryCounts = deliveryCounts
    expect((await type(['tenants'])).out).toContain(rig.config.entra.tenants[0])
    const { epoch } = await rig.store.head()
    await rig.store.recordEnforced({
      clientId: 'sydney',
      guardId: 'web-1',
      epoch,
      enforcedSeq: 0,
      reportedAtMs: rig.clock.nowMs(),
    })
    expect((await type(['guards', '--json'])).json()).toMatchObject({
      guards: [{ client_id: 'sydney', guard_id: 'web-1', connected: false }],
    })
  })
})

describe('cmb doctor', () => {
  test('without a broker: every problem of the settings with how to fix it, and exit 1', async () => {
    const ran = await cmb(['doctor'], { dataDir: emptyDir() })
    expect(ran.code).toBe(1)
    expect(ran.out).toContain('BROKER_ISSUER')
    expect(ran.out).toContain('BROKER_SECRET')
    expect(ran.out).toContain('npm start')
    // Each check has its name, and the worst comes first.
    const marks = ran.out
      .split('\n')
      .flatMap((line) => /^(Act now|Act today|Note|Not known|ok) +[a-z]/.exec(line)?.[1] ?? [])
    const order = ['Act now', 'Act today', 'Note', 'Not known', 'ok']
    expect(marks.map((mark) => order.indexOf(mark))).toEqual(
      marks.map((mark) => order.indexOf(mark)).toSorted(),
    )
    expect(ran.out).toMatch(/^Act now +environment \(BROKER_ISSUER\): /m)
  })

  test('with good settings and no broker the broker is what is wrong', async () => {
    const ran = await cmb(['doctor', '--json'], { dataDir: emptyDir(), env: GOOD })
    const { findings } = ran.json<{ findings: { check: string; state: string }[] }>()
    expect(
      findings.filter((finding) => finding.state === 'failed').map((finding) => finding.check),
    ).toEqual(['broker'])
  })

  test('beside a running broker it looks at store, queue, Microsoft, keys and every client', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    const home = await rig.serve()
    await rig.register('Sydney', {
      logoutUris: [`${home}/healthz`],
      redirectUris: [`${home}/callback`],
    })
    await rig.register('Melbourne', {
      logoutUris: ['http://127.0.0.1:1/logout'],
      redirectUris: [`${home}/callback`],
    })
    await rig.register('Perth', { logoutUris: [], redirectUris: [`${home}/callback`] })
    const ran = await type(['doctor', '--json'], { env: GOOD })
    const { findings } = ran.json<{
      findings: { check: string; about?: string; state: string; found: string; fix?: string }[]
    }>()
    const states = (name: string) =>
      findings
        .filter((finding) => (finding.about ?? finding.check) === name)
        .map((finding) => finding.state)
    for (const name of [
      'environment',
      'broker',
      'database',
      'queue',
      'connection',
      'key ES256',
      'key RS256',
    ])
      expect([name, states(name)]).toEqual([name, ['ok']])
    expect(states('client sydney')).toEqual(['ok'])
    expect(states('client melbourne')).toContain('failed')
    expect(
      findings.find((finding) => finding.about === 'client perth' && finding.state === 'warning')
        ?.found,
    ).toContain('has neither a guard nor a logout address')
    expect(
      findings
        .filter((finding) => finding.state === 'warning' || finding.state === 'failed')
        .every((finding) => finding.fix !== undefined && finding.fix !== ''),
    ).toBe(true)
    expect(ran.code).toBe(1)
  })
})
