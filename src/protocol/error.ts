/**
 * Errors that a client sees, apart from what the broker logs. Any error that is not an `OAuthError`
 * is a bug.
 */

/** The error codes, each with the HTTP status of its answer if that is not a redirect. */
const STATUS = {
  // Codes of RFC 6749 §4.1.2.1 and §5.2.
  invalid_request: 400,
  invalid_client: 401,
  invalid_grant: 400,
  unauthorized_client: 400,
  unsupported_grant_type: 400,
  unsupported_response_type: 400,
  invalid_scope: 400,
  access_denied: 403,
  server_error: 500,
  temporarily_unavailable: 503,
  // Codes of OpenID Connect Core 1.0 §3.1.2.6.
  login_required: 400,
  interaction_required: 400,
  consent_required: 400,
  request_not_supported: 400,
  request_uri_not_supported: 400,
  registration_not_supported: 400,
  // Code of RFC 9126 §2.3.
  invalid_request_uri: 400,
  // Code of RFC 8707 §2.
  invalid_target: 400,
  // Code of RFC 9449 §5, §7.1. At a resource the status is 401.
  invalid_dpop_proof: 400,
  // Codes of RFC 6750 §3.1.
  invalid_token: 401,
  insufficient_scope: 403,
  // Code of RFC 7009 §2.2.1.
  unsupported_token_type: 400,
  // Code of OpenID Connect Core, unmet_authentication_requirements 1.0.
  unmet_authentication_requirements: 400,
} as const

export type ErrorCode = keyof typeof STATUS

export class OAuthError extends Error {
  readonly code: ErrorCode
  /** Headers that the answer requires: `WWW-Authenticate` (RFC 6749 §5.2, RFC 6750 §3), `Allow`. */
  readonly headers: Readonly<Record<string, string>>
  /** Set where it is logged before it is thrown: the line's reference, if there is one. */
  logged?: { reference: string | undefined }
  readonly #status: number | undefined

  /**
   * Creates an error that the client sees.
   * @param description what to do next, for the client's developer (RFC 6749 §5.2: printable ASCII
   * without `"` and `\`). Never a secret.
   * @param options.status a status that replaces the one of the code: 405, 413, 415
   */
  constructor(
    code: ErrorCode,
    description: string,
    options?: { cause?: unknown; status?: number; headers?: Readonly<Record<string, string>> },
  ) {
    super(description, options?.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'OAuthError'
    this.code = code
    this.headers = options?.headers ?? {}
    this.#status = options?.status
  }

  get status(): number {
    return this.#status ?? STATUS[this.code]
  }

  /** Returns the JSON body of RFC 6749 §5.2. */
  toJSON(): { error: ErrorCode; error_description: string } {
    return { error: this.code, error_description: this.message }
  }
}
