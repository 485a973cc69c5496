import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isCollection, isNode, LineCounter, parseDocument, type Document } from 'yaml'
import { z } from 'zod'
import { CONTOSO, type Tenant, type UserSeed } from '../../demo/entra/users.ts'

/**
 * Reads the users of the simulated Microsoft from a YAML file and reports every problem at once,
 * each with its line.
 */

export interface Directory {
  tenants: readonly Tenant[]
  users: readonly UserSeed[]
}

const DOMAIN = /^[a-z0-9-]+(?:\.[a-z0-9-]+)+$/
const domain = z
  .string()
  .regex(DOMAIN, 'must be a domain in lower case, for example "contoso.example"')
const tenantSchema = z.strictObject({
  domain,
  name: z.string().min(1).max(200).optional(),
  id: z.guid('must be a GUID').optional(),
})
const userSchema = z.strictObject({
  username: z
    .string()
    .regex(
      /^[^@\s]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+$/,
      'must be a name and a domain, for example "alice@contoso.example"',
    ),
  name: z.string().min(1).max(200).optional(),
  id: z.guid('must be a GUID').optional(),
  roles: z
    .array(z.string().min(1))
    .optional()
    .meta({ description: 'App roles. Not given: CaseManager.User.' }),
  mfa: z
    .boolean()
    .optional()
    .meta({ description: 'false: no second factor, and the broker rejects the sign-in.' }),
  disabled: z
    .boolean()
    .optional()
    .meta({ description: 'true: the account is disabled at Microsoft.' }),
  assigned: z.boolean().optional().meta({ description: 'false: not assigned to the application.' }),
  password: z.string().min(1).max(200).optional(),
})
export const usersSchema = z.strictObject({
  tenants: z
    .array(tenantSchema)
    .min(1)
    .optional()
    .meta({ description: 'Not given: one for each domain of the usernames.' }),
  users: z.array(userSchema).min(1),
})
type UsersFile = z.infer<typeof usersSchema>
type Path = readonly PropertyKey[]

/** Returns the JSON Schema of the users file, which is published with the package for editors. */
export const usersJsonSchema = (): Record<string, unknown> => ({
  ...z.toJSONSchema(usersSchema),
  title: 'Users file of @case-manager/broker-dev',
})

/**
 * Reads a users file.
 * @throws Error with every problem and its line
 */
export function readUsersFile(file: string): Directory {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'}).`,
      { cause: error },
    )
  }
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const line = (offset: number): string => `line ${lines.linePos(offset).line}`
  const broken = document.errors.map((error) => `${line(error.pos[0])}: ${error.message}`)
  if (broken.length > 0) throw problemsIn(file, broken)
  const { value, problems } = examined(document.toJS())
  if (value === undefined)
    throw problemsIn(
      file,
      problems.map(({ path, message }) => `${line(offsetOf(document, path))}: ${message}`),
    )
  return directoryOf(value)
}

/**
 * Reads the users that were passed as the option `users`.
 * @throws Error with every problem if the option is not valid
 */
export function readUsers(users: unknown): Directory {
  const { value, problems } = examined(users)
  if (value === undefined)
    throw problemsIn(
      'The option users',
      problems.map(({ message }) => message),
    )
  return directoryOf(value)
}

const problemsIn = (where: string, problems: readonly string[]): Error =>
  new Error(`${where} has problems:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)

interface Found {
  path: Path
  message: string
}

function examined(wanted: unknown): { value?: UsersFile; problems: Found[] } {
  const parsed = usersSchema.safeParse(wanted)
  if (!parsed.success)
    return {
      problems: parsed.error.issues.map(({ path, message }) => ({
        path,
        message: [pathText(path), message].filter(Boolean).join(': '),
      })),
    }
  const problems = [...repeated(parsed.data), ...foreign(parsed.data)]
  return problems.length > 0 ? { problems } : { value: parsed.data, problems }
}

const pathText = (path: Path): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : String(part)))
    .join('.')
    .replaceAll('.[', '[')

/**
 * Finds usernames and ids that are used twice. Microsoft identifies a user by either, and ignores
 * case in usernames.
 */
function repeated({ users }: UsersFile): Found[] {
  return (['username', 'id'] as const).flatMap((member) => {
    const values = users.map((user) => user[member]?.toLowerCase())
    return values.flatMap((value, index) =>
      value === undefined || values.indexOf(value) === index
        ? []
        : [{ path: ['users', index, member], message: `${member} ${value} is used twice.` }],
    )
  })
}

function foreign({ tenants, users }: UsersFile): Found[] {
  if (tenants === undefined) return []
  const known = tenants.map((tenant) => tenant.domain)
  return users.flatMap(({ username }, index) =>
    known.includes(domainOf(username))
      ? []
      : [
          {
            path: ['users', index, 'username'],
            message: `${username} belongs to no tenant of this file. Add its domain under "tenants:".`,
          },
        ],
  )
}

/** Returns the position of the value at `path`, or of its nearest parent that the file has. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
    if (isNode(node) && (node.range || isCollection(node))) return node.range?.[0] ?? 0
  }
  return 0
}

const domainOf = (username: string): string => username.slice(username.indexOf('@') + 1)

/**
 * Derives an id from a name, so that it is the same at each start and ids that a test has stored
 * remain valid.
 */
function idOf(kind: string, name: string): string {
  const hex = createHash('sha256').update(`${kind} ${name.toLowerCase()}`).digest('hex')
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-')
}

function directoryOf({ tenants: listed, users }: UsersFile): Directory {
  const domains =
    listed ??
    [...new Set(users.map(({ username }) => domainOf(username)))].map((domain) => ({
      domain,
      name: undefined,
      id: undefined,
    }))
  const tenants = domains.map(({ domain, name, id }) => ({
    domain,
    name: name ?? domain,
    tid: id?.toLowerCase() ?? (domain === CONTOSO.domain ? CONTOSO.tid : idOf('tenant', domain)),
  }))
  return {
    tenants,
    users: users.map(({ username, name, id, roles, mfa, disabled, assigned, password }) => ({
      upn: username,
      name: name ?? username.slice(0, username.indexOf('@')),
      tid: tenants.find((tenant) => tenant.domain === domainOf(username))?.tid ?? '',
      oid: id?.toLowerCase() ?? idOf('user', username),
      roles: roles ?? ['CaseManager.User'],
      mfa: mfa === false ? ('none' as const) : ('authenticator' as const),
      accountEnabled: disabled !== true,
      assigned: assigned !== false,
      ...(password === undefined ? {} : { password }),
    })),
  }
}
