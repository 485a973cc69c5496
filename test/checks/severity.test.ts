import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { failed, warning } from '../../src/operations/checks/finding.ts'
import { CHECKS } from '../../src/operations/checks/list.ts'
import { startCmb } from '../command/cmb.ts'
import { atConsole } from '../console/console.ts'
import { createRig } from '../rig.ts'

/**
 * Every problem that the checks can report, as each interface says it: one name, one severity.
 */

interface Rule {
  alert: string
  expr: string
  labels: { severity: 'page' | 'ticket' }
}
const alerts = parse(readFileSync(join(import.meta.dirname, '../../docs/alerts.yml'), 'utf8')) as {
  groups: { rules: Rule[] }[]
}
const rules = alerts.groups.flatMap((group) => group.rules)

/** The alerts of problems that have a metric of their own. */
const BY_OWN_METRIC: Record<string, string[]> = {
  'failed queue': ['BrokerQueueDown'],
  'failed database': ['BrokerStoreDown'],
  'failed probe': ['BrokerProbePaused'],
  'failed instances': ['BrokerDeliveriesFailed', 'BrokerDeliveriesOverdue'],
  'warning instances': ['BrokerDeliveriesRejected'],
  'failed log-lost': ['BrokerLogLost'],
  'warning user-reports': ['BrokerUserReport'],
}

/** The alerts of what no broker can report, with the reason. */
const OF_PROMETHEUS_ALONE: Record<string, string> = {
  BrokerDown: 'No broker runs.',
  BrokerOneDown: 'That broker does not run.',
  BrokerRevocationsSlow: 'A rate of 10 minutes.',
  BrokerEventLoopSlow: 'A rate of 10 minutes.',
  BrokerRequestsSlow: 'A rate of 10 minutes.',
  BrokerSignInsFailing: 'A rate of 10 minutes.',
  BrokerFileDescriptorsLow: 'A measurement of the process, as Prometheus collects it.',
  BrokerSignalQueueFull: 'An event: the signals that came then are over.',
  BrokerTokenTheft: 'An event: the broker ended the session itself, and lists its revocation.',
}

/** The alerts that a finding of a check raises by `broker_check_findings`. */
const byFinding = (state: string, id: string): Rule[] =>
  rules.filter(({ expr }) =>
    [...expr.matchAll(/broker_check_findings\{check=~?"([^"]*)",state=~?"([^"]*)"\}/g)].some(
      ([, ids = '', states = '']) =>
        ids.split('|').includes(id) && states.split('|').includes(state),
    ),
  )
const SEVERITY = { page: 'now', ticket: 'today' } as const

/** Returns how urgent a finding is by its alerts, which agree; a note has none. */
function urgencyByAlerts(problem: string): string {
  const [state = '', id = ''] = problem.split(' ')
  const own = BY_OWN_METRIC[problem] ?? []
  const raised = [...byFinding(state, id), ...rules.filter(({ alert }) => own.includes(alert))]
  const severities = [...new Set(raised.map(({ labels }) => labels.severity))]
  expect([problem, severities.length <= 1]).toEqual([problem, true])
  return severities[0] === undefined ? 'note' : SEVERITY[severities[0]]
}

/** Lets each check fail, where it can, and warn. Returns the names of these problems. */
function everyProblem(): string[] {
  return CHECKS.flatMap((check) => {
    const { look, ofTenant } = check
    const found = [
      ...(check.severity === undefined ? [] : [failed(`failed ${check.id}.`, 'Do it.')]),
      warning(`warning ${check.id}.`, 'Do it.'),
    ]
    Object.assign(check, { look: () => found, ofTenant: undefined })
    onTestFinished(() => void Object.assign(check, { look, ofTenant }))
    return found.map(({ state }) => `${state} ${check.id}`)
  })
}

const urgencies = (text: string, pattern: RegExp): Record<string, string> =>
  Object.fromEntries(
    [...text.matchAll(pattern)].map(([, urgency = '', problem = '']) => [
      problem,
      urgency.toLowerCase().replace(/^act /, ''),
    ]),
  )

const isOnDemand = (problem: string): boolean =>
  CHECKS.some(({ id, cost }) => cost === 'on_demand' && problem.endsWith(` ${id}`))
const only = (all: Record<string, string>, isOne: (problem: string) => boolean) =>
  Object.fromEntries(Object.entries(all).filter(([problem]) => isOne(problem)))

describe('every problem that the broker can report', () => {
  test('has one name and one severity on the console, in cmb status, cmb doctor, /readyz, the metrics and the alerts', async () => {
    const problems = everyProblem()
    const rig = await createRig()
    const olga = await atConsole(rig, 'operator')
    const { type } = await startCmb(rig)
    const all = Object.fromEntries(problems.map((problem) => [problem, urgencyByAlerts(problem)]))
    const scraped = only(all, (name) => !isOnDemand(name))

    // A check that runs on demand alone is in no metric, so that it raises no alert.
    const inDoctor = urgencies(
      (await type(['doctor'])).out.replaceAll(
        /^(Act \w+|Note) +([\w-]+): (\w+) \2\./gm,
        '$1: $3 $2.',
      ),
      /^(.+): (\w+ [\w-]+)\.$/gm,
    )
    expect(inDoctor).toEqual({ ...all, 'failed clients': 'today' })
    expect(
      urgencies(
        (await type(['status'])).out,
        /^(Act now|Act today|Note) \(p_[\w-]+\): (\w+ [\w-]+)\./gm,
      ),
    ).toEqual(scraped)
    const { html } = await olga.get('/ops')
    expect(urgencies(html, /<li class="alert (\w+)">.*?<\/span> (\w+ [\w-]+)\.<\/h3>/gs)).toEqual(
      scraped,
    )

    const { checks } = (await (await rig.opsApp.request('/readyz')).json()) as {
      checks: { check: string; state: string; urgency: string }[]
    }
    const named = CHECKS.filter(({ names }) => names).map(({ id }) => id)
    expect(
      Object.fromEntries(checks.map(({ check, state, urgency }) => [`${state} ${check}`, urgency])),
    ).toEqual(only(scraped, (name) => !named.some((id) => name.endsWith(` ${id}`))))

    const metrics = await (await rig.opsApp.request('/metrics')).text()
    const counted = [
      ...metrics.matchAll(/^broker_check_findings\{check="([^"]*)",state="(\w+)"\} 1$/gm),
    ].map(([, id = '', state = '']) => `${state} ${id}`)
    expect(new Set(counted)).toEqual(new Set(Object.keys(scraped)))
  })

  test('is behind an alert, or the alert is of what no broker can report', () => {
    const reported = CHECKS.flatMap(({ id, severity }) =>
      severity === undefined ? [`warning ${id}`] : [`failed ${id}`, `warning ${id}`],
    )
    const raised = reported.flatMap((problem) => {
      const [state = '', id = ''] = problem.split(' ')
      return [...byFinding(state, id).map(({ alert }) => alert), ...(BY_OWN_METRIC[problem] ?? [])]
    })
    expect(rules.map(({ alert }) => alert).toSorted()).toEqual(
      [...new Set([...raised, ...Object.keys(OF_PROMETHEUS_ALONE)])].toSorted(),
    )
  })
})
