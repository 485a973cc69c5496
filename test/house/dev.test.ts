import { expect, test } from 'vitest'

/** `npm run dev` (scripts/dev.mjs): the demo, built and started again after each change. */

interface Reloader {
  changed(): Promise<void>
  end(): Promise<void>
}
interface Parts {
  build(): Promise<boolean>
  start(): { stop(): Promise<void> }
  say(line: string): void
}
const { createReloader } = (await import(
  new URL('../../scripts/dev.mjs', import.meta.url).href
)) as { createReloader(parts: Parts): Reloader }

/** `builds`: what each build does, in turn. */
function project(builds: (() => boolean | Promise<boolean>)[]) {
  const did: string[] = []
  const reloader = createReloader({
    build: async () => {
      did.push('build')
      return (await builds.shift()?.()) ?? true
    },
    start() {
      did.push('start')
      return { stop: async () => void did.push('stop') }
    },
    say: (line) => did.push(line),
  })
  return { did, reloader }
}

test('after a change what runs ends, is built and starts', async () => {
  const { did, reloader } = project([])
  await reloader.changed()
  await reloader.changed()
  expect(did).toEqual(['build', 'start', 'stop', 'build', 'start'])
  await reloader.end()
  expect(did.at(-1)).toBe('stop')
})

test('many changes during a build make one further round', async () => {
  const { did, reloader } = project([
    () => {
      for (let count = 0; count < 5; count++) void reloader.changed()
      return true
    },
  ])
  await reloader.changed()
  expect(did).toEqual(['build', 'start', 'stop', 'build', 'start'])
})

test('a build that fails starts nothing, and the next change tries again', async () => {
  const { did, reloader } = project([() => false])
  await reloader.changed()
  expect(did).toEqual(['build', expect.stringContaining('after your next change')])
  await reloader.changed()
  expect(did.slice(2)).toEqual(['build', 'start'])
})
