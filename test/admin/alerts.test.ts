import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { StoreUnavailable } from '../../db/types.ts'
import { measureProcess } from '../../src/operations/health/process-metrics.ts'
import { createMetrics } from '../../src/runtime/metrics.ts'
import { pauseProbe } from '../../src/microsoft/probe-pause.ts'
import { createRig, TENANT } from '../rig.ts'

const docs = join(import.meta.dirname, '../../docs')
const text = (name: string): string => readFileSync(join(docs, name), 'utf8')
interface Rule {
  alert: string
  expr: string
  annotations: { summary: string; runbook: string }
}
const rules = (parse(text('alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const promtool = spawnSync('promtool', ['--version']).status === 0

describe('docs/alerts.yml', () => {
  test.skipIf(!promtool)(
    'is what promtool takes, and its rules fire when they should and only then',
    () => {
      for (const args of [
        ['check', 'rules', 'alerts.yml'],
        ['test', 'rules', 'alerts.test.yml'],
      ]) {
        const { status, stdout, stderr } = spawnSync('promtool', args, {
          cwd: docs,
          encoding: 'utf8',
        })
        expect({ args, status, said: status === 0 ? '' : stdout + stderr }).toEqual({
          args,
          status: 0,
          said: '',
        })
      }
    },
  )

  test('names metrics that there are', async () => {
    const known = new Set(
      (await createMetrics().registry.getMetricsAsJSON()).map((metric) => metric.name),
    )
    const named = rules.flatMap(({ expr }) =>
      [...expr.matchAll(/\bbroker_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, '')),
    )
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('has, for each alert, what it means and what to do in docs/alerts.md, and a case in its tests', () => {
    const headings = new Set(
      [...text('alerts.md').matchAll(/^## (\w+)$/gm)].map(
        ([, name]) => `docs/alerts.md#${(name ?? '').toLowerCase()}`,
      ),
    )
    expect(
      rules
        .filter(({ annotations }) => !headings.has(annotations.runbook))
        .map(({ alert }) => alert),
    ).toEqual([])
    expect(
      rules.filter(
        ({ alert, annotations }) => !annotations.runbook.endsWith(`#${alert.toLowerCase()}`),
      ),
    ).toEqual([])
    const tested = text('alerts.test.yml')
    expect(
      rules
        .filter(({ alert }) => !new RegExp(`alertname: ${alert}\\n\\s+exp_alerts`).test(tested))
        .map(({ alert }) => alert),
    ).toEqual([])
  })
})

describe('docs/operations.md', () => {
  test('lists every metric of the broker', async () => {
    const known = (await createMetrics().registry.getMetricsAsJSON())
      .map((metric) => metric.name)
      .filter((name) => name.startsWith('broker_'))
    expect(
      known.filter((name) => !new RegExp(`\`${name}[\`{]`).test(text('operations.md'))),
    ).toEqual([])
  })
})

describe('docs/grafana.json', () => {
  interface Panel {
    id: number
    title: string
    targets?: { expr: string }[]
    gridPos: { x: number; y: number; w: number; h: number }
  }
  const { panels } = JSON.parse(text('grafana.json')) as { panels: Panel[] }

  test('shows metrics, and labels of them, that the broker has', async () => {
    const { metrics } = await createRig()
    measureProcess(metrics, '1.0.0', 'broker')
    const labels = new Map(
      metrics.registry
        .getMetricsAsArray()
        .map((metric) => [
          metric.name,
          'labelNames' in metric ? (metric.labelNames as string[]) : [],
        ]),
    )
    const shown = panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ title, expr })),
    )
    expect(shown.length).toBeGreaterThan(20)
    for (const { title, expr } of shown) {
      const name = (/\b(?:broker|nodejs|process)_\w+/.exec(expr)?.[0] ?? '').replace(
        /_(bucket|count)$/,
        '',
      )
      const has = labels.get(name)
      expect([title, has !== undefined]).toEqual([title, true])
      const used = [...expr.matchAll(/(?:by \(([^)]*)\)|[{,](\w+)[!=]?[=~])/g)].flatMap(
        ([, by, label]) => (by ?? label ?? '').split(', '),
      )
      expect([
        title,
        used.filter(
          (label) => !['job', 'instance', 'le'].includes(label) && has?.includes(label) !== true,
        ),
      ]).toEqual([title, []])
    }
  })

  test('has no panel over another, and no id twice', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)},${y + Math.floor(i / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    expect(panels.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([])
  })
})

describe('the metrics that alerts use', () => {
  const metrics = async (rig: Awaited<ReturnType<typeof createRig>>) =>
    (await rig.opsApp.request('/metrics')).text()

  test('counters begin at zero, so that the first event is an increase', async () => {
    const said = await metrics(await createRig())
    for (const line of [
      'broker_sign_ins_total{outcome="credential"} 0',
      'broker_revocations_total{reason="refresh_token_reuse"} 0',
      'broker_signals_total{kind="probe",outcome="credential"} 0',
    ])
      expect(said).toContain(`${line}\n`)
  })

  test('say which part is down, the store too', async () => {
    const rig = await createRig()
    expect(await metrics(rig)).toContain('broker_part_up{part="store"} 1\n')
    rig.queue.up = false
    expect(await metrics(rig)).toContain('broker_part_up{part="queue"} 0\n')
    rig.store.probe = () => Promise.reject(new StoreUnavailable('The disk is full.'))
    rig.store.deliveryCounts = () => Promise.reject(new StoreUnavailable('The disk is full.'))
    expect(await metrics(rig)).toContain('broker_part_up{part="store"} 0\n')
  })

  test('Microsoft counts as a part once a tenant is connected', async () => {
    const rig = await createRig()
    expect(await metrics(rig)).toContain('broker_part_up{part="microsoft"} 1\n')
    const unconnected = await createRig()
    unconnected.microsoft.connected = false
    expect(await metrics(unconnected)).not.toContain('broker_part_up{part="microsoft"}')
  })

  test('a tenant whose probe was paused', async () => {
    const rig = await createRig()
    await pauseProbe(rig.store, { tid: TENANT, held: 'address', at: rig.clock.now(), code: 53_003 })
    expect(await metrics(rig)).toContain(`broker_probe_paused{tid="${TENANT}"} 1\n`)
  })
})
