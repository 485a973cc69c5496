// `npm run dev`: builds and restarts the demo after each change of a source.
import { spawn, spawnSync } from 'node:child_process'
import { watch } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))

/**
 * Returns a reloader. After a change it stops the running program, builds, and starts the program
 * again. Changes during a round cause one more round. `build` returns whether it succeeded; `start`
 * returns the running program, with `stop`.
 */
export function createReloader({ build, start, say }) {
  let running
  let wanted = false
  let working
  async function rounds() {
    while (wanted) {
      wanted = false
      await running?.stop()
      running = undefined
      if (await build()) running = start()
      else say('The build failed. The demo starts again after your next change.')
    }
    working = undefined
  }
  return {
    changed: () => {
      wanted = true
      return (working ??= rounds())
    },
    /** Ends the program after the current round, and starts no other round. */
    async end() {
      wanted = false
      await working
      await running?.stop()
    },
  }
}

/**
 * Starts the demo in a process group of its own, so that the terminal's Ctrl-C reaches only this
 * process, which forwards it once.
 */
function startDemo() {
  const child = spawn(
    process.execPath,
    [join(ROOT, 'dist', 'demo', 'main.js'), ...process.argv.slice(2)],
    { stdio: 'inherit', detached: true },
  )
  const gone = new Promise((done) => child.once('exit', done))
  return {
    stop: () => {
      child.kill('SIGTERM')
      return gone
    },
  }
}

function main() {
  const reloader = createReloader({
    build: () =>
      spawnSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs'), '--if-changed'], {
        stdio: ['ignore', 2, 2],
      }).status === 0,
    start: startDemo,
    say: (line) => console.error(line),
  })
  let settled
  // Waits for a pause in the changes, because an editor writes a file in several steps.
  const changed = () => {
    clearTimeout(settled)
    settled = setTimeout(() => void reloader.changed(), 200)
  }
  for (const place of ['src', 'workers', 'db', 'demo', 'guard/src'])
    watch(join(ROOT, place), { recursive: true }, changed)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => void reloader.end().then(() => process.exit(0)))
  void reloader.changed()
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main()
