/** Summaries and answers of the provider's endpoints in /openapi.json. */
export const SAY = {
  asks: 'A page: an account to choose, consent, or the answer as a form (response_mode=form_post).',
  goesOn: 'To Microsoft, or to the client with a code or an error.',
  uncertain: 'A page: the client or its address is not certain, so that no browser is sent there.',
  tooLarge: 'A page: the request is too large.',
  noForm: 'A page: the body is not application/x-www-form-urlencoded.',
  tooMany: 'A page: too many requests. Retry-After says when to try again.',
  noStore: 'A page: the store cannot be read.',
  authorize: 'The authorization endpoint (OpenID Connect Core 1.0 §3.1.2)',
  authorizeByForm: 'The authorization endpoint, by a form',
  push: 'Stores an authorization request for one minute (RFC 9126)',
  token:
    'Issues tokens for a code, a refresh token, a client or another token (RFC 6749 §3.2, RFC 8693)',
  introspect: 'Says whether a token is active (RFC 7662)',
  isActive: 'Whether it is active; if so, its claims.',
  revoke: 'Revokes the grant of a token (RFC 7009)',
  revoked: 'The grant is revoked, or the token was not the client’s.',
  claims: 'The claims that the token’s scopes allow.',
  sessionEnd: 'when the session ends at the latest (epoch seconds)',
  unreadable: 'The request has more than one access token, or none that can be read.',
  invalid: 'The access token is missing, expired or revoked.',
  noOpenid: 'The access token lacks the scope openid.',
  unavailable: 'The store cannot be read, or the broker’s clock is wrong.',
  userinfo: 'The user’s claims (OpenID Connect Core 1.0 §5.3)',
  userinfoByForm:
    'The user’s claims, with the access token in the header or the form (RFC 6750 §2.2)',
  logout:
    'The end session endpoint (OpenID Connect RP-Initiated Logout 1.0): asks the user what to end',
  chooses: 'A page: the user chooses.',
  toAddress: 'To the registered address, or to a page.',
  wrong: 'A page: the request is wrong, so that the browser is not sent anywhere.',
  logoutByForm: 'The end session endpoint, by a form',
  toChoice: 'To the page on which the user chooses.',
} as const

/** The groups of operations in /openapi.json. */
export const TAGS = [
  { name: 'sign-in', description: 'OpenID Connect and OAuth in the browser.' },
  {
    name: 'oauth',
    description: 'OpenID Connect and OAuth for clients. Unknown parameters are ignored.',
  },
  { name: 'feed', description: 'The revocation feed, for guards.' },
  { name: 'signals', description: 'Microsoft reports here that sessions must end.' },
  { name: 'ssf', description: 'Shared Signals: streams of security events to other systems.' },
  {
    name: 'webhooks',
    description:
      'Messages that the broker sends (docs/webhooks.md), signed as Standard Webhooks says.',
  },
  { name: 'health', description: 'Health, readiness and metrics.' },
  {
    name: 'admin',
    description:
      'For operators and their programs. Rejections are problem documents (RFC 9457): 400 for a request that does not match this document, which includes unknown parameters; 422 for one that matches it and that another rule rejects.',
  },
]
