#!/usr/bin/env node
import { run } from './cli.ts'

// Sockets are open only to the owner and its group from the moment they exist.
process.umask(0o007)
await run(process.argv.slice(2))
