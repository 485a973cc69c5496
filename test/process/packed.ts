import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { expect } from 'vitest'

/**
 * Checks a tarball as a registry does. Node 20.19 and later load ES modules by `require` too, so no
 * package has a second build.
 */
export async function isFitToPublish(tarball: Buffer): Promise<void> {
  const data = tarball.buffer.slice(
    tarball.byteOffset,
    tarball.byteOffset + tarball.byteLength,
  ) as ArrayBuffer
  expect((await publint({ pack: { tarball: data }, strict: true })).messages).toEqual([])
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(data)))
  if (!analysis.types) throw new Error('The tarball has no types.')
  const problems = analysis.problems.filter(
    (problem) =>
      !('resolutionKind' in problem) || !['node10', 'node16-cjs'].includes(problem.resolutionKind),
  )
  expect(problems).toEqual([])
}
