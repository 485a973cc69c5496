/** The meaning of each status of a rejection, for the document of the API. */
export const REJECTIONS: Readonly<Record<number, string>> = {
  400: 'The request is not what this document describes; `problems` lists every problem.',
  401: 'The access token is missing, expired or revoked.',
  403: 'The access token’s scope does not allow this.',
  404: 'Not found.',
  409: 'The present state does not allow this; the detail says why.',
  413: 'The body is too large.',
  415: 'The body is not JSON.',
  422: 'The request is well formed, but a rule rejects it; `problems` lists every problem.',
  503: 'The store cannot commit. Nothing was changed.',
}
