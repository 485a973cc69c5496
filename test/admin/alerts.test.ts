import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { StoreUnavailable } from '../../db/store.ts'
import { createMetrics } from '../../src/metrics.ts'
import { pauseProbe } from '../../src/microsoft/probe-pause.ts'
import { createRig, TENANT } from '../rig.ts'

const docs = join(import.meta.dirname, '../../docs')
const text = (name: string): string => readFileSync(join(docs, name), 'utf8')
interface Rule {
  alert: string
  expr: string
  annotations: { summary: string; runbook: string }
}
const rules = (parse(text('alerts.yml')) as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
const promtool = spawnSync('promtool', ['--version']).status === 0

describe('docs/alerts.yml', () => {
  test.skipIf(!promtool)('is what promtool takes, and its rules fire when they should and only then', () => {
    for (const args of [
      ['check', 'rules', 'alerts.yml'],
      ['test', 'rules', 'alerts.test.yml'],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: docs, encoding: 'utf8' })
      expect({ args, status, said: status === 0 ? '' : stdout + stderr }).toEqual({ args, status: 0, said: '' })
    }
  })

  test('names metrics that there are', async () => {
    const known = new Set((await createMetrics().registry.getMetricsAsJSON()).map((one) => one.name))
    const named = rules.flatMap(({ expr }) => [...expr.matchAll(/\bbroker_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, '')))
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('has, for each alert, what it means and what to do in the runbook, and a case in its tests', () => {
    const headings = new Set(
      [...text('operations.md').matchAll(/^### (\w+)$/gm)].map(([, name]) => `docs/operations.md#${(name ?? '').toLowerCase()}`),
    )
    expect(rules.filter(({ annotations }) => !headings.has(annotations.runbook)).map(({ alert }) => alert)).toEqual([])
    expect(rules.filter(({ alert, annotations }) => !annotations.runbook.endsWith(`#${alert.toLowerCase()}`))).toEqual([])
    const tested = text('alerts.test.yml')
    expect(rules.filter(({ alert }) => !new RegExp(`alertname: ${alert}\\n\\s+exp_alerts`).test(tested)).map(({ alert }) => alert)).toEqual([])
  })
})

describe('what alerts go by, in /metrics', () => {
  const metrics = async (rig: Awaited<ReturnType<typeof createRig>>) => (await rig.opsApp.request('/metrics')).text()

  test('begins at zero, so that the first is a rise', async () => {
    const said = await metrics(await createRig())
    for (const line of [
      'broker_sign_ins_total{outcome="credential"} 0',
      'broker_revocations_total{reason="refresh_token_reuse"} 0',
      'broker_signals_total{kind="probe",outcome="credential"} 0',
    ])
      expect(said).toContain(`${line}\n`)
  })

  test('which part is down, the store among them', async () => {
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
    await pauseProbe(rig.store, { tid: TENANT, at: rig.clock.now(), code: 53_003 })
    expect(await metrics(rig)).toContain(`broker_probe_paused{tid="${TENANT}"} 1\n`)
  })
})
