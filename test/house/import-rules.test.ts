import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Who may import whom, as docs/architecture.md draws it. A rule that no machine checks is a wish. */

const ROOT = resolve(import.meta.dirname, '../..')
const ENDPOINTS = ['signin', 'token', 'logout', 'signal', 'account', 'setup', 'admin', 'console', 'health', 'discovery']
/** Lowest first: a layer may import itself and what is below it. */
const LAYERS = ['protocol', 'db', 'keys', 'client', 'session', 'revocation', 'microsoft', 'acts', 'checks']
/** Vocabulary that every module but `protocol` may read; what they name of the modules are types. */
const VOCABULARY = new Set(['src/deps.ts', 'src/config/config.ts', 'src/config/signals.ts', 'src/log.ts', 'src/metrics.ts'])
const ONLY_IN: Record<string, (file: string) => boolean> = {
  '@azure/msal-node': (file) => file.startsWith('src/microsoft/'),
  'drizzle-orm': (file) => file.startsWith('db/'),
  'better-sqlite3': (file) => file.startsWith('db/'),
  bullmq: (file) => file === 'src/revocation/delivery-queue.ts' || file.startsWith('workers/') || file.startsWith('src/console/'),
  jose: (file) => file.startsWith('src/keys/') || file.startsWith('guard/') || file.startsWith('demo/'),
}

function* files(dir: string): Generator<string> {
  for (const entry of readdirSync(join(ROOT, dir), { withFileTypes: true })) {
    const path = `${dir}/${entry.name}`
    if (entry.isDirectory() && entry.name !== 'dist' && entry.name !== 'node_modules') yield* files(path)
    else if (/\.tsx?$/.test(entry.name)) yield path
  }
}

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

function importsOf(file: string): Import[] {
  const source = readFileSync(join(ROOT, file), 'utf8')
  const found: Import[] = []
  for (const match of source.matchAll(
    /(?:^|\n)\s*(?:import|export)\s+(type\s+)?(?:[^'"();]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g,
  )) {
    const to = match[2] ?? match[3]
    if (to === undefined) continue
    const resolved = to.startsWith('.') ? relative(ROOT, resolve(ROOT, dirname(file), to)) : to
    found.push({ from: file, to: resolved, typeOnly: match[1] !== undefined })
  }
  return found
}

/** `src/token/room.ts` → token; `db/store.ts` → db; `src/app.ts` → root. */
function place(file: string): string {
  const [first = '', second = ''] = file.split('/')
  if (first !== 'src') return first
  return file.split('/').length > 2 ? second : 'root'
}

const layer = (name: string): number => LAYERS.indexOf(name)

function allowed({ from, to, typeOnly }: Import): boolean {
  const here = place(from)
  const there = place(to)
  if (here === there || there === 'protocol') return true
  if (here === 'protocol') return false
  if (here === 'root' || here === 'test' || here === 'bench' || here === 'demo' || here === 'command') return true
  if (VOCABULARY.has(to)) return typeOnly || here !== 'db'
  if (there === 'demo' || there === 'workers' || there === 'bench' || there === 'test' || there === 'root' || there === 'command')
    return here === 'workers' && there === 'root'
  if (there === 'page') return ENDPOINTS.includes(here)
  if (here === 'page') return layer(there) >= 0 && layer(there) <= layer('client')
  if (ENDPOINTS.includes(there)) return here === 'workers' && there === 'signal'
  if (ENDPOINTS.includes(here) || here === 'workers') return true
  return layer(there) >= 0 && layer(there) <= layer(here)
}

const all = ['src', 'workers', 'db', 'demo', 'guard/src'].flatMap((dir) => [...files(dir)]).flatMap(importsOf)

describe('the import rules', () => {
  test('are read off enough imports to mean anything', () => {
    expect(all.length).toBeGreaterThan(200)
  })

  test('a module imports only what is below it, and an endpoint module never another', () => {
    const broken = all.filter((one) => !one.from.startsWith('guard/') && /^(?:src|workers|db|demo|bench|test)\//.test(one.to) && !allowed(one))
    expect(broken.map((one) => `${one.from} imports ${one.to}`)).toEqual([])
  })

  test('the guard imports nothing of ours, and no package but jose', () => {
    const broken = all.filter(
      (one) => one.from.startsWith('guard/') && !one.to.startsWith('guard/src/') && !one.to.startsWith('node:') && one.to !== 'jose',
    )
    expect(broken.map((one) => `${one.from} imports ${one.to}`)).toEqual([])
  })

  test('MSAL, the database drivers, BullMQ and jose stay in their modules', () => {
    const broken = all.filter((one) => {
      const name = one.to
        .split('/')
        .slice(0, one.to.startsWith('@') ? 2 : 1)
        .join('/')
      return !(ONLY_IN[name]?.(one.from) ?? true)
    })
    expect(broken.map((one) => `${one.from} imports ${one.to}`)).toEqual([])
  })
})
