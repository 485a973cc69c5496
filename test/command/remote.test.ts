import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createRig } from '../rig.ts'
import { cmb } from './cmb.ts'

/** `cmb --url`: a broker on another machine, asked with the credentials of a client. */

function emptyDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-remote-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

async function world(...scopes: string[]) {
  const rig = await createRig({ listening: true })
  const url = await rig.serve(rig.opsApp)
  const { clientId, secret } = await rig.register('Robot', {
    grants: ['client_credentials'],
    scopes,
  })
  const dataDir = emptyDir()
  const secretFile = join(dataDir, 'secret')
  writeFileSync(secretFile, `${secret}\n`)
  const env = { CMB_URL: url, CMB_ISSUER: rig.config.issuer, CMB_CLIENT_ID: clientId }
  const type = (args: string[], more: Record<string, string> = { CMB_CLIENT_SECRET: secret }) =>
    cmb(args, { dataDir, env: { ...env, ...more } })
  return { rig, url, secret, secretFile, dataDir, type }
}

describe('cmb with a client’s credentials', () => {
  test('reads by broker:operate, with the secret from the environment or a file, and is named in the audit log', async () => {
    const { rig, type, secretFile } = await world('broker:administer')
    const { session } = await rig.openSession()
    for (const more of [undefined, { CMB_CLIENT_SECRET_FILE: secretFile }]) {
      const listed = await type(['sessions', 'list', '--json'], more)
      expect(listed).toMatchObject({ code: 0, err: '' })
      expect(listed.json()).toMatchObject({ sessions: [{ sid: session.sid }] })
    }
    expect(await type(['revoke', '--session', session.sid, '--yes'])).toMatchObject({ code: 0 })
    const [entry] = await rig.store.listAudit({ limit: 1 })
    expect(entry).toMatchObject({
      act: 'revoke',
      actor: { kind: 'client', id: 'robot' },
      via: 'api',
    })
  })

  test('may do no more than the scopes of the client', async () => {
    const { rig, type } = await world('broker:operate')
    const { session } = await rig.openSession()
    const ran = await type(['revoke', '--session', session.sid, '--yes'])
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('broker:administer')])
    expect(await rig.store.listRevocations({ limit: 1 })).toEqual([])
  })

  test('says why there is no token, and never shows the secret', async () => {
    const { type, secret } = await world('broker:operate')
    const wrong = await type(['status'], { CMB_CLIENT_SECRET: `${secret}x` })
    expect(wrong).toMatchObject({ code: 1, out: '' })
    expect(wrong.err).toMatch(/gives the client robot no access token/)
    expect(wrong.err).not.toContain(secret)
  })

  test('names everything that is missing or not https at once, before a secret is sent', async () => {
    const { dataDir } = await world('broker:operate')
    const ran = await cmb(
      [
        '--url',
        'http://ops.case-manager.example',
        '--secret-file',
        join(dataDir, 'none'),
        'status',
      ],
      { dataDir },
    )
    expect(ran.code).toBe(2)
    for (const problem of [
      '--url (CMB_URL)',
      'must be https',
      '--issuer (CMB_ISSUER)',
      '--client-id',
      'cannot be read (ENOENT)',
    ])
      expect(ran.err).toContain(problem)
  })

  test('says which address does not answer, and exits 3', async () => {
    const { type } = await world('broker:operate')
    const ran = await type(['--url', 'http://localhost:1', 'status'])
    expect(ran).toMatchObject({ code: 3, out: '' })
    expect(ran.err).toMatch(
      /http:\/\/localhost:1 does not answer.*\nIf several brokers share a database, ask another one: .*--url/,
    )
  })

  test('says that a command works only on the broker’s machine', async () => {
    const { type } = await world('broker:administer')
    const ran = await type(['backup', '/tmp/never.db'])
    expect([ran.code, ran.err]).toEqual([1, expect.stringContaining('Run cmb backup there.')])
  })
})
