// Records what Microsoft answers to a broker, without secrets, and compares it with the simulator.
//
//   npm run trace:microsoft -- FILE             starts the broker and records into FILE
//   npm run trace:microsoft -- --compare FILE   prints how the answers differ from the simulator's
//
// A trace has names and types of fields, and the values of the few fields that say which error or
// kind of token it is: no token, secret, id, name or address.
import { spawn } from 'node:child_process'
import { subscribe } from 'node:diagnostics_channel'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const SIMULATOR = join(ROOT, 'demo', 'entra', 'trace.json')

/** Fields and parameters that say which error or kind of token it is. `error.code` is Graph's. */
const TELLING =
  /(?:^|[.[\] ])(?:acrs|alg|amr|error|error\.code|error_codes|grant_type|prompt|suberror|token_type|typ|ver)(?:\[\])*$/

/** Returns what is recorded of a value: itself, if it is a short word of such a field. */
const shown = (path, value, otherwise) =>
  TELLING.test(path) && /^[\w.:-]{1,40}$/.test(String(value)) ? String(value) : otherwise
const GUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi
const JWT = /^([\w-]+)\.([\w-]+)\.[\w-]+$/

function jwtOf(text) {
  const [, header, claims] = JWT.exec(text) ?? []
  if (claims === undefined) return undefined
  const decoded = (part) => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))
  try {
    return { header: decoded(header), claims: decoded(claims) }
  } catch {
    return undefined
  }
}

/** Returns the fields of a JSON value by their path: each with its type, or its value if telling. */
export function fieldsOf(value, path = '') {
  const here = path === '' ? '.' : path
  if (Array.isArray(value))
    return value.length === 0
      ? [[`${here}[]`, 'none']]
      : value.flatMap((element) => fieldsOf(element, `${path}[]`))
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, member]) =>
      fieldsOf(member, path === '' ? key : `${path}.${key}`),
    )
  const jwt = typeof value === 'string' ? jwtOf(value) : undefined
  if (jwt) return fieldsOf(jwt, path)
  return [[here, value === null ? 'null' : shown(path, value, typeof value)]]
}

/** Returns a path without what names a tenant, user or subscription. */
const pathOf = (pathname) =>
  decodeURIComponent(pathname)
    .replaceAll(GUID, '{id}')
    .replaceAll(/\/[^/]*@[^/]*/g, '/{user}')

/** Collects exchanges: `answers` by request and status, each field with its types. */
export function createTrace(origins) {
  const exchanges = new Map()
  const add = (what, fields) => {
    const known = exchanges.get(what) ?? new Map()
    exchanges.set(what, known)
    for (const [field, type] of fields) known.set(field, (known.get(field) ?? new Set()).add(type))
  }
  const parametersOf = (where, parameters) =>
    [...parameters].map(([name, value]) => [`${where} ${name}`, shown(name, value, 'sent')])
  return {
    isOfMicrosoft: (url) => origins.some((origin) => url.startsWith(origin)),
    /** Adds a request of the broker, and Microsoft's answer. */
    async answered(url, { method = 'GET', body } = {}, response) {
      const { hostname, pathname, searchParams } = new URL(url)
      const form =
        typeof body === 'string' && !body.startsWith('{') ? new URLSearchParams(body) : undefined
      const text = await response.text()
      let answer
      try {
        answer = JSON.parse(text)
      } catch {
        answer = undefined
      }
      const host =
        hostname.startsWith('graph.') || pathname.startsWith('/graph/') ? 'graph' : 'login'
      const grant = form?.get('grant_type')
      const path = pathOf(pathname).replace(/^\/graph\//, '/')
      add(`${method} ${host} ${path}${grant ? ` ${grant}` : ''} → ${response.status}`, [
        ...parametersOf('query', searchParams),
        ...(form ? parametersOf('form', form) : []),
        ...(answer === undefined
          ? [['body', text === '' ? 'empty' : 'no JSON']]
          : fieldsOf(answer)),
        ...(response.headers.has('retry-after') ? [['header retry-after', 'sent']] : []),
      ])
    },
    /** Adds a request that a browser or Microsoft sends to the broker. */
    received(method, address) {
      const { pathname, searchParams } = new URL(address, 'http://broker')
      if (!/^\/(?:signin\/callback|logout\/return|signal\/microsoft\/)/.test(pathname)) return
      const code = /^AADSTS(\d+)/.exec(searchParams.get('error_description') ?? '')?.[1]
      add(`${method} broker ${pathname}`, [
        ...parametersOf('query', searchParams),
        ...(code === undefined ? [] : [['error code', code]]),
      ])
    },
    toJSON: () =>
      Object.fromEntries(
        [...exchanges]
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .map(([what, fields]) => [
            what,
            Object.fromEntries(
              [...fields]
                .sort(([a], [b]) => (a < b ? -1 : 1))
                .map(([field, types]) => [field, [...types].sort((a, b) => (a < b ? -1 : 1))]),
            ),
          ]),
      ),
  }
}

/** Returns lines that say how the trace of a real tenant differs from the simulator's. */
export function differences(real, simulated) {
  const lines = []
  for (const [what, fields] of Object.entries(real)) {
    const known = simulated[what]
    if (known === undefined) {
      lines.push(`${what}\n  the simulator was never asked this, or never answered so`)
      continue
    }
    const own = []
    for (const [field, types] of Object.entries(fields))
      if (known[field] === undefined) own.push(`only Microsoft  ${field}: ${types.join(', ')}`)
      else if (types.some((type) => !known[field].includes(type)))
        own.push(
          `differs         ${field}: ${types.join(', ')}; simulator: ${known[field].join(', ')}`,
        )
    for (const [field, types] of Object.entries(known))
      if (fields[field] === undefined) own.push(`only simulator  ${field}: ${types.join(', ')}`)
    if (own.length > 0) lines.push([what, ...own.map((line) => `  ${line}`)].join('\n'))
  }
  const missing = Object.keys(simulated).filter((what) => real[what] === undefined)
  return { lines, missing }
}

/** Records in this process, which is a broker, from now until it ends. */
function record(file) {
  const trace = createTrace([
    process.env.BROKER_ENTRA_AUTHORITY ?? 'https://login.microsoftonline.com',
    process.env.BROKER_GRAPH_ORIGIN ?? 'https://graph.microsoft.com',
  ])
  let due
  const changed = () => {
    due ??= setTimeout(() => {
      due = undefined
      writeFileSync(file, `${JSON.stringify(trace, null, 2)}\n`, { mode: 0o600 })
    }, 200).unref()
  }
  const fetch = globalThis.fetch
  globalThis.fetch = async (url, init) => {
    const response = await fetch(url, init)
    if (typeof url === 'string' && trace.isOfMicrosoft(url))
      // A trace that fails must not fail the broker's request.
      await trace.answered(url, init, response.clone()).then(changed, () => undefined)
    return response
  }
  subscribe('http.server.request.start', ({ request }) => {
    trace.received(request.method, request.url)
    changed()
  })
}

const HELP = `Usage: npm run trace:microsoft -- FILE
       npm run trace:microsoft -- --compare FILE

With FILE it starts the broker as npm start does, and records into FILE what Microsoft answers and
which parameters browsers bring back: names and types of fields, and error codes. Follow
docs/entra-checklist.md meanwhile, and end it by Ctrl-C.

--compare prints how FILE differs from what the simulator answers. Exit code 1: something differs.`

function compare(file) {
  const read = (path) => JSON.parse(readFileSync(path, 'utf8'))
  const { lines, missing } = differences(read(file), read(SIMULATOR))
  for (const line of lines) console.log(line)
  if (missing.length > 0)
    console.log(
      `\nNot in the trace, so not compared:\n${missing.map((name) => `  ${name}`).join('\n')}`,
    )
  console.log(`\n${lines.length} exchanges differ.`)
  process.exitCode = lines.length > 0 ? 1 : 0
}

function startBroker(file) {
  const child = spawn(process.execPath, [join(ROOT, 'dist', 'src', 'cli.js'), 'serve'], {
    stdio: 'inherit',
    env: {
      ...process.env,
      MICROSOFT_TRACE: resolve(file),
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${import.meta.url}`.trim(),
    },
  })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.once('exit', (code) => {
    console.log(`Recorded in ${file}. Compare it: npm run trace:microsoft -- --compare ${file}`)
    process.exitCode = code ?? 1
  })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [first, second] = process.argv.slice(2)
  if (first === '--compare' && second !== undefined) compare(second)
  else if (first !== undefined && !first.startsWith('-')) startBroker(first)
  else {
    console.log(HELP)
    process.exitCode = first === '--help' ? 0 : 2
  }
} else if (process.env.MICROSOFT_TRACE) record(process.env.MICROSOFT_TRACE)
