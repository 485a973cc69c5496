/** Writes docs/configuration.md from the table of settings: `npm run docs:settings`. */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { configurationPage } from '../src/config/page.ts'

writeFileSync(
  fileURLToPath(new URL('../docs/configuration.md', import.meta.url)),
  configurationPage(),
)
