import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { findGenerator, GENERATORS_PYTHON } from '../../scripts/client-generators.mjs'
import { createRig } from '../rig.ts'

/**
 * Clients that others generate from /openapi.json: they compile, each kind of a selector is a type
 * of its own, and no type is called by a number. A language is skipped where its generator is not
 * installed (scripts/client-generators.mjs says how).
 */

const TSC = join(import.meta.dirname, '../../node_modules/typescript/bin/tsc')
/** The end of a name that a generator invents for an alternative without a title. */
const NUMBERED = /_?type_?\d+(?:\b|_)/i

/** Runs a program, and fails with what it printed. */
const run = (program: string, args: string[], cwd: string) =>
  promisify(execFile)(program, args, { cwd, maxBuffer: 64e6 }).catch(
    ({ stdout, stderr }: { stdout: string; stderr: string }) =>
      expect.unreachable(`${program} ${args.join(' ')}:\n${stdout}${stderr}`),
  )

/** Returns a folder with the document. */
async function withDocument(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cmb-client-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  const rig = await createRig()
  await writeFile(join(dir, 'openapi.json'), await (await rig.app.request('/openapi.json')).text())
  return dir
}

test.skipIf(findGenerator('TypeScript') === undefined)(
  'a client in TypeScript compiles, takes each kind of selector, and rejects another',
  async () => {
    const dir = await withDocument()
    const args = ['-i', 'openapi.json', '-o', 'client', '--silent', '--no-log-file']
    await run(process.execPath, [findGenerator('TypeScript') ?? '', ...args], dir)
    await writeFile(
      join(dir, 'use.ts'),
      `import { revoke, listTenants, type ClientSelector, type Tenant } from './client/index.js'
const selector: ClientSelector = { kind: 'client', client_id: 'sydney' }
await revoke({ body: { selector } })
await revoke({ body: { selector: { kind: 'subject', sub: 'u_1' } } })
// @ts-expect-error A kind of selector that does not exist.
await revoke({ body: { selector: { kind: 'device', sub: 'u_1' } } })
const { data } = await listTenants()
export const names: (string | null)[] = (data?.tenants ?? []).map((one: Tenant) => one.name)
`,
    )
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: [],
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2024',
      lib: ['es2024', 'dom', 'dom.iterable'],
    }
    const config = { compilerOptions, include: ['use.ts', 'client'] }
    await writeFile(join(dir, 'tsconfig.json'), JSON.stringify(config))
    await writeFile(join(dir, 'package.json'), '{"type":"module"}')
    await run(process.execPath, [TSC, '-p', dir], dir)
    const types = await readFile(join(dir, 'client/types.gen.ts'), 'utf8')
    const names = [...types.matchAll(/^export type (\w+)/gm)].map(([, name = '']) => name)
    expect(names.length).toBeGreaterThan(100)
    expect(names.filter((name) => NUMBERED.test(name))).toEqual([])
  },
)

test.skipIf(findGenerator('Python') === undefined)(
  'a client in Python compiles, each of its modules can be imported, and no model is called by a number',
  async () => {
    const dir = await withDocument()
    const args = ['generate', '--path', 'openapi.json', '--meta', 'none', '--output-path', 'client']
    await run(findGenerator('Python') ?? '', args, dir)
    await run(GENERATORS_PYTHON, ['-m', 'compileall', '-q', 'client'], dir)
    const use = `
import importlib, pkgutil, client
for one in pkgutil.walk_packages(client.__path__, 'client.'):
    importlib.import_module(one.name)
from client.models import ClientSelector, Tenant
print(ClientSelector(kind='client', client_id='sydney').to_dict())
`
    const { stdout } = await run(GENERATORS_PYTHON, ['-c', use], dir)
    expect(stdout.trim()).toBe("{'kind': 'client', 'client_id': 'sydney'}")
    const models = await readdir(join(dir, 'client/models'))
    expect(models.length).toBeGreaterThan(100)
    expect(models.filter((name) => NUMBERED.test(name))).toEqual([])
  },
)
