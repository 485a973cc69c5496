import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { PostgresServer } from '../bench/servers/postgres.ts'

/**
 * The volume of a Postgres, which an operator or a storage system puts back as it was before. The
 * server then has the same identifier and timeline.
 */
export class Volume {
  readonly #server: Pick<PostgresServer, 'dir' | 'kill' | 'start'>
  readonly #data: string
  readonly #copy: string

  constructor(server: Pick<PostgresServer, 'dir' | 'kill' | 'start'>) {
    this.#server = server
    this.#data = join(server.dir, 'data')
    this.#copy = join(server.dir, 'copy')
  }

  /** Copies the volume. The server is killed and started, as a snapshot of its disk shows it. */
  async copy(): Promise<void> {
    await this.#server.kill()
    replace(this.#data, this.#copy)
    await this.#server.start()
  }

  /** Kills the server, and starts it on the copy. The copy stays. */
  async putBack(): Promise<void> {
    await this.#server.kill()
    replace(this.#copy, this.#data)
    await this.#server.start()
  }
}

function replace(from: string, to: string): void {
  rmSync(to, { recursive: true, force: true })
  execFileSync('cp', ['-a', from, to])
  rmSync(join(to, 'postmaster.pid'), { force: true })
}
