import type { Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { isForm } from '../../clients/form.ts'
import { OAuthError } from '../../protocol/error.ts'
import { parseForm } from '../../protocol/params.ts'

/** Reads the forms of /setup, with limits on their size. */

export const formLimit = bodyLimit({
  maxSize: 64 * 1024,
  onError: () => {
    throw new OAuthError('invalid_request', 'The form is larger than 64 kB.', { status: 413 })
  },
})

/** Limit of a form with three images of at most 100 kB. */
export const uploadLimit = bodyLimit({
  maxSize: 400 * 1024,
  onError: () => {
    throw new OAuthError(
      'invalid_request',
      'The form is larger than 400 kB: an image may have at most 100 kB.',
      { status: 413 },
    )
  },
})

export async function uploadOf(c: Context): Promise<FormData> {
  const sent = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (sent !== 'multipart/form-data')
    throw new OAuthError('invalid_request', 'Send the form as multipart/form-data.', {
      status: 415,
    })
  try {
    return await c.req.formData()
  } catch (cause) {
    throw new OAuthError('invalid_request', 'The form cannot be read.', { cause })
  }
}

export async function formOf(c: Context): Promise<URLSearchParams> {
  if (!isForm(c))
    throw new OAuthError('invalid_request', 'Send the form as application/x-www-form-urlencoded.', {
      status: 415,
    })
  return parseForm(await c.req.text())
}
