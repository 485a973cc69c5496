// The common part of the drivers for the Shared Signals plans: they create a plan, start its
// modules one after another, and collect the suite's results.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
process.emitWarning = () => {}
export const SUITE = process.env.SUITE ?? 'https://localhost.emobix.co.uk:8443'
const ENDED = ['FINISHED', 'INTERRUPTED']
const LONGEST_MS = 240_000

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
const query = (fields) => new URLSearchParams(fields).toString()

export async function api(method, path, body) {
  const answer = await fetch(SUITE + path, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body,
  })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text.slice(0, 300)}`)
  return text ? JSON.parse(text) : undefined
}

/** Polls the module until it has ended. `look` gets its status and its log each time. */
export async function waitFor(id, look = async (_seen) => undefined) {
  for (const until = Date.now() + LONGEST_MS; Date.now() < until; await sleep(500)) {
    const { status } = await api('GET', `/api/info/${id}`)
    if (ENDED.includes(status)) return
    if (status === 'CONFIGURED') await api('POST', `/api/runner/${id}`, '').catch(() => undefined)
    await look({ status, log: await api('GET', `/api/log/${id}`) })
  }
  throw new Error(`not ended after ${LONGEST_MS / 1000} s`)
}

/**
 * Runs a plan of the official suite.
 * @param work runs one module, by its id, until the module has ended
 */
export async function runPlan({ planName, variant, config, only }, work) {
  const plan = await api(
    'POST',
    '/api/plan?' + query({ planName, variant: JSON.stringify(variant) }),
    JSON.stringify(config),
  )
  const results = []
  for (const { testModule, variant: own } of plan.modules.filter(
    (module) => only === undefined || only.split(',').includes(module.testModule),
  )) {
    const { id } = await api(
      'POST',
      '/api/runner?' +
        query({ test: testModule, plan: plan.id, variant: JSON.stringify(own ?? {}) }),
      '',
    )
    const note = await work(id, testModule).then(
      () => undefined,
      (error) => String(error.stack ?? error).slice(0, 400),
    )
    const { status } = await api('GET', `/api/info/${id}`)
    if (!ENDED.includes(status)) await api('DELETE', `/api/runner/${id}`).catch(() => undefined)
    results.push(await resultOf(id, testModule, note))
  }
  return results
}

async function resultOf(id, module, note) {
  const { result, status } = await api('GET', `/api/info/${id}`)
  const log = await api('GET', `/api/log/${id}`)
  const of = (...kinds) => log.filter((candidate) => kinds.includes(candidate.result))
  const problems = of('FAILURE', 'WARNING').map(({ result: kind, src, msg, requirements }) => ({
    kind,
    src,
    msg,
    requirements,
  }))
  console.log(`${(result ?? status).padEnd(8)} ${module} ${of('SUCCESS').length} ok ${note ?? ''}`)
  for (const { kind, src, msg, requirements } of problems)
    console.log(`         ${kind} ${src} ${requirements ?? ''}: ${String(msg).slice(0, 240)}`)
  return { module, id, status, result, conditions: of('SUCCESS').length, problems, note }
}

export function count(results) {
  const counted = {}
  for (const { result, status } of results)
    counted[result ?? status] = (counted[result ?? status] ?? 0) + 1
  return counted
}
