// Starts the built broker once and ends it, so that the next start finds its code compiled in
// dist/src/cache. Node has a cache for each version, user and set of flags.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Longer than a broker waits after its start before it writes the cache. */
const WRITTEN_MS = 3_000

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const flags = scripts.start.split(' ').filter((word) => word.startsWith('--'))
const dir = mkdtempSync(join(tmpdir(), 'cmb-fill-cache-'))
const broker = spawn(process.execPath, [...flags, join(root, 'dist', 'src', 'cli.js'), 'serve'], {
  stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  env: {
    BROKER_ISSUER: 'http://localhost:7400',
    BROKER_LISTEN: '127.0.0.1:0',
    BROKER_OPS_LISTEN: '127.0.0.1:0',
    BROKER_SECRET: randomBytes(32).toString('hex'),
    BROKER_DATA_DIR: dir,
    // No server listens there. A broker starts without its queue.
    BROKER_QUEUE_URL: 'redis://127.0.0.1:1',
  },
})
broker.once('message', () => setTimeout(() => broker.kill(), WRITTEN_MS))
const code = await new Promise((ended) => broker.once('exit', ended))
rmSync(dir, { recursive: true, force: true })
if (code !== 0) throw new Error(`The broker ended (${code}).`)
