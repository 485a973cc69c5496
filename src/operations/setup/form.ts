import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { OAuthError } from '../../protocol/error.ts'
import { parseForm } from '../../protocol/params.ts'

/** Reads the forms of /setup, with limits on their size. */

const limitOf = (kilobytes: number, why = '') =>
  bodyLimit({
    maxSize: kilobytes * 1024,
    onError: () => {
      const problem = `The form is larger than ${kilobytes} kB${why}.`
      throw new OAuthError('invalid_request', problem, { status: 413 })
    },
  })

export const formLimit = limitOf(64)
/** Limit of a form with three images of at most 100 kB. */
export const uploadLimit = limitOf(400, ': an image may have at most 100 kB')

export const formOf = async (c: Context): Promise<URLSearchParams> => parseForm(await c.req.text())

export async function uploadOf(c: Context): Promise<FormData> {
  try {
    return await c.req.formData()
  } catch (cause) {
    throw new OAuthError('invalid_request', 'The form cannot be read.', { cause })
  }
}
