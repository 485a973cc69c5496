#!/usr/bin/env node
/**
 * The `cmb` command. It looks at the runtime before anything else is loaded, because a module that
 * is too new for it would fail in its own words.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 14)) {
  process.stderr.write(
    `cmb needs Node 22.14 or later and this is ${process.versions.node}. On Linux x64 the packages bring their own: run it as npx cmb, or npm start.\n`,
  )
  process.exit(1)
}
const { resolveQuickly } = await import('../db/resolve-quickly.ts')
resolveQuickly()
const { run } = await import('./program.ts')
const { terminal, written } = await import('./operations/command/terminal.ts')
const code = await run(process.argv.slice(2), terminal())
// A pipe takes 64 KiB at a time: what is not written when the process exits is lost.
await written()
// Whatever else is still open (an IPC channel, a keep-alive connection): the command has ended.
process.exit(code)
