import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { followFurtherClients } from '../../demo/clients.ts'

const entry = (id: string) =>
  `  - client_id: ${id}\n    client_name: ${id}\n    redirect_uris: [http://localhost:9/cb]\n    token_endpoint_auth_method: none\n`
const soon = { timeout: 60_000, interval: 10 }

test('the demo follows edits of the file of --clients: an error is printed and the last valid clients are kept, an edit is printed', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-follow-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  const file = join(dir, 'mine.yaml')
  writeFileSync(file, `clients:\n${entry('one')}`)
  const applied: unknown[][] = []
  const said: string[] = []
  const following = followFurtherClients(file, ['sydney'], {
    apply: (clients) => void applied.push(clients.map((client) => client.client_id)),
    say: (line) => void said.push(line),
    pollMs: 10,
  })
  onTestFinished(() => following.close())
  writeFileSync(file, 'clients: [')
  await vi.waitFor(
    () => expect(said.join()).toContain('The previous clients stay registered'),
    soon,
  )
  writeFileSync(file, `clients:\n${entry('one')}${entry('sydney')}`)
  await vi.waitFor(() => expect(said.join()).toContain('sydney is a sample instance'), soon)
  expect(applied).toEqual([])
  // Another file takes the name, as when an editor saves.
  writeFileSync(`${file}.new`, `clients:\n${entry('one')}${entry('two')}`)
  renameSync(`${file}.new`, file)
  await vi.waitFor(() => expect(said.at(-1)).toBe(`Applied ${file}: one, two.`), soon)
  expect(applied).toEqual([['one', 'two']])
})
