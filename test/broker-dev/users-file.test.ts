import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'yaml'
import { expect, onTestFinished, test } from 'vitest'
import { readUsers, readUsersFile, usersJsonSchema } from '../../broker-dev/src/users-file.ts'
import { CONTOSO } from '../../demo/entra/users.ts'

const root = new URL('../../', import.meta.url).pathname

function fileOf(text: string): string {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-users-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(join(dir, 'users.yaml'), text)
  return join(dir, 'users.yaml')
}

const problemsOf = (text: string): string[] => {
  const file = fileOf(text)
  try {
    readUsersFile(file)
  } catch (error) {
    return (error as Error).message.replace(file, 'FILE').split('\n')
  }
  return []
}

test('a users file becomes the users of Microsoft, with the same ids at each start', () => {
  const text = `users:
  - username: alice@contoso.example
    name: Alice Adams
    roles: [CaseManager.User, Broker.Operator]
  - username: mia@fabrikam.example
    mfa: false
    disabled: true
    assigned: false
    password: hello
`
  const { tenants, users } = readUsersFile(fileOf(text))
  expect(tenants.map(({ domain, tid }) => [domain, tid === CONTOSO.tid])).toEqual([
    ['contoso.example', true],
    ['fabrikam.example', false],
  ])
  expect(users).toMatchObject([
    {
      upn: 'alice@contoso.example',
      name: 'Alice Adams',
      tid: CONTOSO.tid,
      roles: ['CaseManager.User', 'Broker.Operator'],
      mfa: 'authenticator',
    },
    {
      upn: 'mia@fabrikam.example',
      name: 'mia',
      roles: ['CaseManager.User'],
      mfa: 'none',
      accountEnabled: false,
      assigned: false,
      password: 'hello',
    },
  ])
  expect(readUsersFile(fileOf(text))).toEqual({ tenants, users })
  expect(readUsers(parse(text))).toEqual({ tenants, users })
})

test('every problem of a users file is reported at once, each with its line', () => {
  expect(
    problemsOf(`tenants:
  - domain: Contoso
users:
  - username: alice
    roles: CaseManager.User
  - username: bob@contoso.example
    mfa: "yes"
    shoe_size: 44
`),
  ).toEqual([
    'FILE has problems:',
    '  line 2: tenants[0].domain: must be a domain in lower case, for example "contoso.example"',
    '  line 4: users[0].username: must be a name and a domain, for example "alice@contoso.example"',
    expect.stringMatching(/^ {2}line 5: users\[0\]\.roles: .*array/),
    expect.stringMatching(/^ {2}line 7: users\[1\]\.mfa: .*boolean/),
    expect.stringMatching(/^ {2}line 6: users\[1\]: .*"shoe_size"/),
  ])
  expect(
    problemsOf(`tenants: [{ domain: contoso.example }]
users:
  - username: alice@contoso.example
  - username: Alice@contoso.example
  - username: bob@fabrikam.example
`),
  ).toEqual([
    'FILE has problems:',
    '  line 4: username alice@contoso.example is used twice.',
    '  line 5: bob@fabrikam.example belongs to no tenant of this file. Add its domain under "tenants:".',
  ])
  expect(problemsOf('users: [')).toEqual([
    'FILE has problems:',
    expect.stringMatching(/^ {2}line 1: /),
  ])
  expect(problemsOf('')).toEqual(['FILE has problems:', expect.stringMatching(/^ {2}line 1: /)])
  expect(() => readUsersFile('/nowhere/users.yaml')).toThrow(
    '/nowhere/users.yaml cannot be read (ENOENT).',
  )
  expect(() => readUsers({ users: [] })).toThrow(/^The option users has problems:\n {2}users: /)
})

test('users.schema.json is what broker-dev checks, and takes the example of the documentation', () => {
  const published = JSON.parse(
    readFileSync(join(root, 'broker-dev/users.schema.json'), 'utf8'),
  ) as Record<string, unknown>
  expect(published).toEqual(usersJsonSchema())
  const example =
    /```yaml\n# users\.yaml\n([\s\S]*?)```/.exec(
      readFileSync(join(root, 'docs/testing-your-instance.md'), 'utf8'),
    )?.[1] ?? ''
  const schema = new Ajv2020({ strict: false, validateFormats: false }).compile(published)
  expect([schema(parse(example)), schema({ users: [{ username: 'alice' }] })]).toEqual([
    true,
    false,
  ])
  expect(() => readUsersFile(fileOf(example))).not.toThrow()
})
