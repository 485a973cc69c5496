import { renameSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type ServeConfig, readSettings } from '../../../guard/src/serve/settings.ts'
import { describeSettings, SETTINGS } from '../../../guard/src/serve/setting-table.ts'
import { serve } from '../../../guard/src/serve/serve.ts'
import { startServe, temporary } from './rig.ts'

const BASICS = {
  issuer: 'https://sign-in.example',
  client_id: 'sydney',
  client_secret: 'a secret',
  rules: '/etc/guard/rules.json',
}

function config(
  flags: Record<string, string> = {},
  env: Record<string, string> = {},
  file?: string,
): ServeConfig {
  const read = readSettings({
    flags: { ...(file === undefined ? BASICS : {}), ...flags },
    env,
    file,
  })
  if (!read.ok) throw new Error(read.problems.join('\n'))
  return read.config
}

const problemsOf = (flags: Record<string, string>): string[] => {
  const read = readSettings({ flags: { ...BASICS, ...flags }, env: {}, file: undefined })
  return read.ok ? [] : read.problems
}

describe('the settings of guard serve', () => {
  test('flags before the environment before the file; paths in the file are relative to it', () => {
    const directory = temporary()
    const file = join(directory, 'guard.json')
    writeFileSync(join(directory, 'secret'), 'from a file\n')
    const { client_secret: _secret, ...basics } = BASICS
    writeFileSync(
      file,
      JSON.stringify({
        ...basics,
        rules: 'rules.json',
        client_secret_file: 'secret',
        audience: ['a', 'b'],
        no_lease_status: 403,
        guard_id: 'file',
      }),
    )
    expect(config({}, {}, file)).toMatchObject({
      rulesFile: join(directory, 'rules.json'),
      noLeaseStatus: 403,
      guard: { clientSecret: 'from a file', audience: ['a', 'b'], guardId: 'file' },
    })
    expect(config({}, { GUARD_GUARD_ID: 'env' }, file).guard.guardId).toBe('env')
    expect(config({ guard_id: 'flag' }, { GUARD_GUARD_ID: 'env' }, file).guard.guardId).toBe('flag')
  })

  test('a private key instead of a secret', () => {
    const file = join(temporary(), 'key.json')
    writeFileSync(file, '{"kty":"EC","crv":"P-256","kid":"k","x":"x","y":"y","d":"d"}')
    expect(config({ client_secret: '', client_key_file: file }).guard).toMatchObject({
      clientSecret: undefined,
      clientKey: { kid: 'k' },
    })
  })

  test('the token of its workload instead of a secret, read from its file each time', async () => {
    const file = join(temporary(), 'token')
    writeFileSync(file, 'first\n')
    const { clientAssertion } = config({ client_secret: '', client_assertion_file: file }).guard
    expect(await clientAssertion?.()).toBe('first')
    writeFileSync(file, 'second')
    expect(await clientAssertion?.()).toBe('second')
    expect(problemsOf({ client_assertion_file: file }).join()).toMatch(
      /client_secret_file.*, client_key_file.*, client_assertion_file.*: give one of them/,
    )
  })

  test('what the guard itself finds wrong is named by the setting, not by the option of the package', () => {
    const problems = problemsOf({
      issuer: 'http://x.example/',
      guard_id: 'a b',
      clock_tolerance_seconds: '60',
    })
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'issuer (--issuer, GUARD_ISSUER)',
      'clock_tolerance_seconds (--clock-tolerance-seconds, GUARD_CLOCK_TOLERANCE_SECONDS)',
      'guard_id (--guard-id, GUARD_GUARD_ID)',
    ])
    expect(problemsOf({ client_secret: 'x' })).toEqual([])
    expect(describeSettings()).toContain('cms_')
  })

  test('every problem is said at once, each with its flag, its variable and an example', () => {
    const read = readSettings({
      flags: {
        listen: '0.0.0.0:80',
        local_listen: 'x',
        no_lease_status: '500',
        request_from: 'guess',
        trusted_proxies: '10.0.0.0/33',
      },
      env: {},
      file: undefined,
    })
    const problems = read.ok ? [] : read.problems
    const named = problems.map((problem) => problem.split(' ')[0])
    expect(named.sort()).toEqual([
      'client_id',
      'client_secret_file',
      'issuer',
      'local_listen',
      'no_lease_status',
      'request_from',
      'rules',
      'trusted_proxies',
    ])
    for (const problem of problems)
      expect(problem).toMatch(/^\w+ \(--[a-z-]+, GUARD_[A-Z_]+\): .+ Example: \S+/)
  })

  test.each([
    [{ listen: '0.0.0.0:7410' }, 'trusted_proxies'],
    [{ local_listen: '0.0.0.0:7411' }, 'local_listen'],
    [{ local_secret: 'short' }, 'local_secret'],
    [{ identity_prefix: 'X-Guard' }, 'identity_prefix'],
    [{ identity_headers: 'Sub,Email' }, 'identity_headers'],
    [{ identity_headers: 'Sub', identity_audience: 'https://cases.internal' }, 'identity_headers'],
    [{ token_header: 'a b' }, 'token_header'],
    [{ path_prefix: '/check/' }, 'path_prefix'],
    [{ without_lease: 'accept' }, 'without_lease'],
    [{ client_secret: '', client_secret_file: '/nowhere' }, 'client_secret_file'],
    [{ client_secret_file: '/nowhere' }, 'client_secret_file'],
    [{ local_hosts: 'a b' }, 'local_hosts'],
  ])('%j is a problem of %s', (flags, name) => {
    expect(
      problemsOf(flags as unknown as Record<string, string>).map(
        (problem) => problem.split(' ')[0],
      ),
    ).toContain(name)
  })

  test('open to other machines with listed proxies and a secret', () => {
    expect(
      problemsOf({
        listen: '0.0.0.0:7410',
        trusted_proxies: '10.0.0.0/8',
        local_listen: '[::]:7411',
        local_secret: 'a-secret-of-24-characters',
      }),
    ).toEqual([])
  })

  test('an unknown setting in the file is a problem', () => {
    const file = join(temporary(), 'guard.json')
    writeFileSync(file, JSON.stringify({ ...BASICS, rule: 'x' }))
    expect(() => config({}, {}, file)).toThrow('unknown setting "rule"')
  })

  test('secrets are not flags, and --help has every setting', () => {
    const help = describeSettings()
    for (const setting of SETTINGS)
      expect(help).toContain(
        'secret' in setting
          ? `GUARD_${setting.name.toUpperCase()}`
          : `--${setting.name.replaceAll('_', '-')}`,
      )
    expect(help).not.toMatch(/--client-secret |--local-secret /)
  })
})

describe('a unix socket', () => {
  test('that a killed process left behind is replaced; one that answers, or a file, is not', async () => {
    const running = await startServe({ listen: 'unix:{dir}/check.sock' })
    const path = join(running.directory, 'check.sock')
    const again = {
      config: config({
        listen: `unix:${path}`,
        local_listen: `unix:${path}.local`,
        rules: join(running.directory, 'rules.json'),
      }),
      problem: () => {},
    }
    await expect(serve(again)).rejects.toThrow(
      `Another process listens at ${path}. Another address: --listen.`,
    )
    await running.serving.stop()
    writeFileSync(path, 'precious')
    await expect(serve(again)).rejects.toThrow('exists and is not a socket')
    const left = join(running.directory, 'left.sock')
    const dead = createServer().listen(left)
    await new Promise((resolve) => dead.once('listening', resolve))
    onTestFinished(() => void dead.close())
    // A socket file without a listener.
    renameSync(left, `${left}.moved`)
    await new Promise((resolve) => dead.close(resolve))
    renameSync(`${left}.moved`, left)
    const serving = await serve({
      ...again,
      config: { ...again.config, listen: { kind: 'unix', path: left } },
    })
    await serving.stop()
  })
})
