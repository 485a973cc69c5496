#!/usr/bin/env node
/**
 * The `cmb` command. It checks the version of Node before it loads another module, because an old
 * Node would fail there with an error that does not name the cause.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 14)) {
  process.stderr.write(
    `cmb needs Node 22.14 or later and this is ${process.versions.node}. On Linux x64 the packages bring their own: run it as npx cmb, or npm start.\n`,
  )
  process.exit(1)
}
// The compiled code is kept beside the bundle, where the process can write there.
if (import.meta.url.endsWith('.js'))
  process.getBuiltinModule('node:module').enableCompileCache(`${import.meta.dirname}/cache`)
const { run } = await import('./program.ts')
const { terminal, written } = await import('./operations/command/terminal.ts')
const code = await run(process.argv.slice(2), terminal())
// A pipe takes 64 KiB at a time. Output that is not written when the process exits is lost.
await written()
// Exits although an IPC channel or a keep-alive connection may still be open.
process.exit(code)
