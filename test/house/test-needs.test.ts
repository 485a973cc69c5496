import { describe, expect, test } from 'vitest'

/**
 * `npm test` installs each program that it needs by itself, and names what is missing
 * (scripts/test-needs.mjs).
 */

interface Provide {
  (options: {
    env: Record<string, string>
    isThere: (program: string) => boolean
    apt: (...args: string[]) => boolean
    mayInstall: boolean
    say: (line: string) => void
  }): { name: string }[]
}
const { provide } = (await import(
  new URL('../../scripts/test-needs.mjs', import.meta.url).href
)) as { provide: Provide }

const PROGRAMS: Record<string, string> = { prometheus: 'promtool', postgresql: 'pg_ctlcluster' }

/** A machine whose package lists hold `packages`, of which `broken` cannot be installed. */
function machine(options: {
  packages?: string[]
  broken?: string[]
  there?: string[]
  mayInstall?: boolean
  env?: Record<string, string>
}) {
  const there = new Set(options.there)
  const installed: string[] = []
  const said: string[] = []
  const apt = (command = '', ...args: string[]): boolean => {
    const names = args.filter((arg) => !arg.startsWith('-'))
    if (!names.every((name) => options.packages?.includes(name))) return false
    if (command !== 'install' || args.includes('--simulate')) return true
    if (names.some((name) => options.broken?.includes(name))) return false
    installed.push(names.join(' '))
    for (const name of names) there.add(PROGRAMS[name] ?? name)
    return true
  }
  const missing = provide({
    env: options.env ?? {},
    isThere: (program) => there.has(program),
    apt,
    mayInstall: options.mayInstall ?? true,
    say: (line) => said.push(line),
  })
  return { installed, said, missing: missing.map((need) => need.name) }
}

const COMMON = [
  'chromium-headless-shell',
  'chromium',
  'fonts-dejavu-core',
  'prometheus',
  'redis-server',
  'postgresql',
  'haproxy',
  'pgbouncer',
]

describe('what the tests need', () => {
  test.each([
    ['Debian 12, which has no Valkey', COMMON, 'redis-server'],
    ['Debian 13', [...COMMON, 'valkey-server'], 'valkey-server'],
  ])('%s', (_release, packages, queue) => {
    expect(machine({ packages })).toMatchObject({
      installed: [
        'chromium-headless-shell fonts-dejavu-core',
        queue,
        'postgresql',
        'haproxy',
        'pgbouncer',
        'prometheus',
      ],
      missing: [],
    })
  })

  test('one package that cannot be installed does not keep the others away, and is named with what to do', () => {
    const { installed, missing, said } = machine({
      packages: COMMON,
      broken: ['chromium-headless-shell'],
    })
    expect(installed).toEqual(['redis-server', 'postgresql', 'haproxy', 'pgbouncer', 'prometheus'])
    expect(missing).toEqual(['Chromium'])
    expect(said.join('\n')).toContain(
      'apt-get install chromium-headless-shell fonts-dejavu-core failed.',
    )
    expect(said.at(-1)).toMatch(
      /^Chromium is missing\..*run "apt-get install chromium-headless-shell fonts-dejavu-core" or "apt-get install chromium fonts-dejavu-core" as root\..*set CHROMIUM to its path\.$/,
    )
  })

  test('a release that has no Chromium without windows gets the one that has them', () => {
    const { installed, missing } = machine({
      packages: COMMON.filter((name) => name !== 'chromium-headless-shell'),
    })
    expect([installed[0], missing]).toEqual(['chromium fonts-dejavu-core', []])
    expect(machine({ packages: COMMON, there: ['chromium'] }).installed).not.toContain(
      'chromium-headless-shell fonts-dejavu-core',
    )
  })

  test('a release that has neither Valkey nor Redis: both are named', () => {
    const { missing, said } = machine({
      packages: COMMON.filter((name) => name !== 'redis-server'),
    })
    expect(missing).toEqual(['Valkey or Redis'])
    expect(said).toContain(
      'The package lists of this machine have no valkey-server and no redis-server.',
    )
    expect(said.at(-1)).toContain(
      '"apt-get install valkey-server" or "apt-get install redis-server"',
    )
  })

  test('it installs nothing where it may not, and nothing that is there already', () => {
    expect(machine({ packages: COMMON, mayInstall: false })).toMatchObject({
      installed: [],
      missing: ['Chromium', 'Valkey or Redis', 'Postgres', 'HAProxy', 'PgBouncer', 'promtool'],
    })
    const complete = {
      packages: COMMON,
      there: ['redis-server', 'initdb', 'haproxy', 'pgbouncer', 'promtool'],
      env: { CHROMIUM: '/opt/chromium' },
    }
    expect(machine(complete)).toEqual({ installed: [], said: [], missing: [] })
  })
})
