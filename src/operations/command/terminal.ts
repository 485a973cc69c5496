import { userInfo } from 'node:os'
import { createInterface } from 'node:readline/promises'
import type { Environment } from '../../config/config.ts'

/** The environment, input and output of a command. */
export interface Terminal {
  env: Environment
  out(text: string): void
  err(text: string): void
  /** The user's name, for the log of revocations. */
  user: string
  /** Asks the user a question. Undefined without a terminal. */
  ask: ((question: string) => Promise<string>) | undefined
  /** Reads all of standard input. */
  input(): Promise<string>
}

export function terminal(): Terminal {
  // A reader that closes the pipe (`cmb audit
  // head`) has enough: the command ends without a failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? 0 : 1),
  )
  return {
    env: process.env,
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    user: process.env.SUDO_USER ?? nameOfUser(),
    ask: process.stdin.isTTY ? ask : undefined,
    async input() {
      const chunks: Buffer[] = []
      for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk as Uint8Array))
      return Buffer.concat(chunks).toString('utf8')
    },
  }
}

/** Resolves when standard output and standard error are flushed. */
export async function written(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) => new Promise<void>((done) => stream.write('', () => done())),
    ),
  )
}

async function ask(question: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return (await lines.question(question)).trim()
  } finally {
    lines.close()
  }
}

/** Returns the user's name. In a container the user id may have none. */
function nameOfUser(): string {
  try {
    return userInfo().username
  } catch {
    return `uid-${process.getuid?.() ?? 'unknown'}`
  }
}
