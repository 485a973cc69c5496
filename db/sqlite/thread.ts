import { Worker } from 'node:worker_threads'

/** Starts a thread of the store's own. Node before 22.18 reads TypeScript only with an option. */
export function startThread(
  program: string | URL,
  options: { name: string; workerData: object; heapMb: number },
): Worker {
  const { name, workerData, heapMb } = options
  const strip = String(program).endsWith('.ts') && !process.features.typescript
  return new Worker(program, {
    ...(strip ? { execArgv: ['--experimental-strip-types', '--no-warnings'] } : {}),
    name,
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })
}

/** Returns the program beside a module: compiled in `dist`, or TypeScript beside the source. */
export const programBeside = (module: string, name: string): URL =>
  new URL(`./${name}.${module.endsWith('.ts') ? 'ts' : 'js'}`, module)
