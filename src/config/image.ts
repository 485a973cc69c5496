import { readFileSync } from 'node:fs'

/** An image for the pages. Its type is read from its bytes, never from its file name. */

export interface Image {
  type: 'image/png' | 'image/webp'
  bytes: Buffer<ArrayBuffer>
}

export const LARGEST_IMAGE = 100_000

const PNG = Buffer.from('89504e470d0a1a0a', 'hex')

/**
 * Reads an image file. Returns undefined if there is none or it has a problem.
 * @param add receives a problem, which completes the sentence "The setting …"
 */
export function readImage(
  file: string | undefined,
  add: (problem: string) => void,
): Image | undefined {
  if (file === undefined) return undefined
  const image = typed(file)
  if (typeof image !== 'string') return image
  add(
    `names ${file}, which ${image}: a PNG or WebP of at most ${LARGEST_IMAGE / 1000} kB is needed`,
  )
  return undefined
}

function typed(file: string): Image | string {
  try {
    return imageOf(readFileSync(file))
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`
  }
}

/**
 * Reads the type of an image from its bytes.
 * @returns the image, or the problem with its bytes, which completes a sentence after "which" or
 * "it"
 */
export function imageOf(bytes: Buffer<ArrayBuffer>): Image | string {
  if (bytes.length > LARGEST_IMAGE) return `has ${Math.ceil(bytes.length / 1000)} kB`
  if (bytes.subarray(0, 8).equals(PNG)) return { type: 'image/png', bytes }
  // RFC 9649 §2.4: WebP begins with a RIFF header.
  if (bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WEBP')
    return { type: 'image/webp', bytes }
  return 'is neither PNG nor WebP'
}
