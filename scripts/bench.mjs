// `npm run bench NAME -- [options]` runs a program of bench/. Without a name it lists them.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { bundle } from './bundle.mjs'

const folder = join(import.meta.dirname, '..', 'dist', 'bench')
const names = readdirSync(folder).flatMap((file) => /^(.+)\.js$/.exec(file)?.[1] ?? [])
const [name, ...options] = process.argv.slice(2)
if (name === undefined || !names.includes(name)) {
  console.error(`npm run bench NAME -- --help\nNames: ${names.join(', ')}`)
  process.exit(2)
}
const program = join(folder, `${name}.js`)
// The benches measure the broker as it ships.
await bundle('bench/servers/broker.ts')
// A bench reads its options as if it were started by itself.
process.argv = [process.execPath, program, ...options]
await import(program)
