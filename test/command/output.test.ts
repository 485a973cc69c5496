import { spawnSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { csvOf } from '../../src/operations/command/csv.ts'
import { createRig } from '../rig.ts'
import { cmb, startCmb } from './cmb.ts'

describe('--output csv', () => {
  test('prints a list by the names of the admin API, and where the next page begins apart from it', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    await rig.openSession({ device: 'Firefox, "new" on Linux' })
    rig.clock.advance(1)
    const { session } = await rig.openSession({ device: '=HYPERLINK("https://attacker.example")' })
    const ran = await type(['sessions', 'list', '--limit', '1', '--output', 'csv'])
    expect(ran.code).toBe(0)
    const [head = '', row = '', end] = ran.out.split('\r\n')
    expect([head.split(',').slice(0, 2), end]).toEqual([['sid', 'sub'], ''])
    expect(head).toContain('user.username')
    expect(row).toContain(session.sid)
    expect(row).toContain(`"'=HYPERLINK(""https://attacker.example"")"`)
    expect(ran.err).toMatch(/--before/)
  })

  test('keeps what is null empty, what is nested by its path, and a list in one cell', () => {
    expect(
      csvOf({
        locks: [
          { id: 'l', at: -1, by: { kind: 'a', id: null }, clients: ['x', 'y'] },
          { id: 'm,n', more: true },
        ],
        next: null,
      }),
    ).toBe(['id,at,by.kind,by.id,clients,more', 'l,-1,a,,x y,', '"m,n",,,,,true', ''].join('\r\n'))
  })

  test('is rejected where the answer is no list', async () => {
    const rig = await createRig()
    const { type } = await startCmb(rig)
    const ran = await type(['revocations', 'show', '1', '--output', 'csv'])
    expect(ran.code).toBe(1)
    const wrong = await type(['sessions', 'list', '--output', 'xml'])
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('text, json, csv')])
    expect(() => csvOf({ version: '1.0.0' })).toThrow(/Only a list/)
  })
})

describe('cmb completion', () => {
  const printed = async (shell: string) =>
    (await cmb(['completion', shell], { dataDir: '/nowhere' })).out

  test('for bash offers the commands, subcommands and options that fit what was typed', async () => {
    const script = await printed('bash')
    const offered = (...words: string[]): string[] => {
      const line = `${script}\nCOMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _cmb; printf '%s\\n' "\${COMPREPLY[@]}"`
      const ran = spawnSync('bash', ['--norc', '-c', line], { encoding: 'utf8' })
      expect([ran.status, ran.stderr]).toEqual([0, ''])
      return ran.stdout.split('\n').filter(Boolean)
    }
    expect(offered('cmb', 'ses')).toEqual(['sessions'])
    expect(offered('cmb', '--data-dir', '/x', 'clients', '')).toEqual(
      expect.arrayContaining(['list', 'add', 'rotate-secret', '--data-dir']),
    )
    expect(offered('cmb', 'sessions', 'list', '--te')).toEqual(['--tenant'])
    expect(offered('cmb', 'sessions', 'list', '--out')).toEqual(['--output'])
    expect(offered('cmb', 'completion', 'f')).toEqual(['fish'])
  })

  test.each(['zsh', 'fish'])(
    'for %s has a line for each command that the one for bash has',
    async (shell) => {
      const commands = (script: string) =>
        [...script.matchAll(/^ +(?:case )?'([\w -]*)'/gm)].map(([, at]) => at)
      const known = commands(await printed('bash'))
      expect(known.length).toBeGreaterThan(40)
      expect(commands(await printed(shell))).toEqual(known)
    },
  )
})
