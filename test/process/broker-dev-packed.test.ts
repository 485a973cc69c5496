import { execFile } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { blocksOf } from '../markdown.ts'
import { PYTHON } from '../needs.ts'
import { isFitToPublish } from './packed.ts'

const run = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname
const node = join(root, 'node_modules')

/** The examples of the documentation, run with what `npm publish` would send. */
const example = (language: string): string =>
  blocksOf('docs/testing-your-instance.md').find((block) => block.language === language)?.text ?? ''

interface Manifest {
  version: string
  bin: Record<string, string>
  dependencies: Record<string, string>
}

/**
 * Installs the package beside the packages that its manifest names, and no others, so that a
 * missing name shows. Returns the manifest.
 */
async function installed(project: string, tarball: string): Promise<Manifest> {
  const home = join(project, 'node_modules/@case-manager/broker-dev')
  mkdirSync(home, { recursive: true })
  await run('tar', ['-xzf', tarball, '-C', home, '--strip-components=1'])
  const manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Manifest
  for (const name of [...Object.keys(manifest.dependencies), 'vitest']) {
    const link = join(project, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(join(node, name), link)
  }
  mkdirSync(join(project, 'node_modules/.bin'))
  for (const [name, file] of Object.entries(manifest.bin))
    symlinkSync(join(home, file), join(project, 'node_modules/.bin', name))
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'an-instance', private: true, type: 'module' }),
  )
  return manifest
}

test(
  'its tarball, unpacked in an empty project, runs the examples of the documentation',
  { timeout: 400_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'broker-dev-packed-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const project = join(directory, 'project')
    mkdirSync(project)
    await run('npm', ['pack', '--pack-destination', directory], { cwd: join(root, 'broker-dev') })
    const [tarball = ''] = readdirSync(directory).filter((name) => name.endsWith('.tgz'))
    const { dependencies, version } = await installed(project, join(directory, tarball))
    expect(tarball).toBe(`case-manager-broker-dev-${version}.tgz`)
    await isFitToPublish(readFileSync(join(directory, tarball)))

    // The manifest has ranges, each of which includes the version that the broker is tested with.
    const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >
    const tested: Record<string, string | undefined> = {
      ...ours.devDependencies,
      ...ours.dependencies,
    }
    for (const [name, range] of Object.entries(dependencies))
      if (name !== '@case-manager/guard') expect([name, range]).toEqual([name, `^${tested[name]}`])

    const bin = join(project, 'node_modules/.bin/broker-dev')
    expect((await run(bin, ['--help'], { cwd: project })).stdout).toContain('--users FILE')
    writeFileSync(join(project, 'users.yaml'), 'users:\n  - username: alice\n')
    const wrong = await run(bin, ['--users', 'users.yaml'], { cwd: project }).catch(
      (error: unknown) => error,
    )
    expect(wrong).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'line 2: users[0].username: must be a name and a domain',
      ) as string,
    })

    const typescript = example('ts')
    writeFileSync(join(project, 'revocation.test.ts'), typescript)
    const vitest = await run(
      process.execPath,
      [join(node, 'vitest/vitest.mjs'), 'run', '--root', project, '--testTimeout', '60000'],
      { cwd: project },
    )
    expect(vitest.stdout).toContain('1 passed')
    const types = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
      '--exactOptionalPropertyTypes',
    ]
    const checked = [
      '--skipLibCheck',
      'true',
      '--types',
      'node',
      '--typeRoots',
      join(node, '@types'),
      'revocation.test.ts',
    ]
    await run(process.execPath, [join(node, 'typescript/bin/tsc'), ...types, ...checked], {
      cwd: project,
    })

    writeFileSync(join(project, 'revocation.py'), example('python'))
    if (PYTHON === undefined)
      return console.log(
        'Python is missing, so that its example in docs/testing-your-instance.md does not run.',
      )
    const python = await run(PYTHON, ['revocation.py'], { cwd: project })
    expect(python.stderr).toContain('OK')
  },
)
