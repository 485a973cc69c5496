import { randomUUID } from 'node:crypto'

/**
 * Errors in the shape of Entra's: at the token endpoint, in the redirect to the application, and on
 * its own pages.
 */

interface Row {
  error: string
  text: string
  status?: number
  suberror?: string
  /** True if the error has a claims challenge, which the application replays. */
  challenge?: boolean
}

const ROWS: Record<number, Row> = {
  16000: {
    error: 'interaction_required',
    text: 'User account selection is required: the account does not exist in the tenant and cannot access the application in it.',
  },
  50011: {
    error: 'invalid_request',
    text: 'The redirect URI specified in the request does not match the redirect URIs configured for the application.',
  },
  50020: {
    error: 'invalid_grant',
    text: 'User account from another identity provider does not exist in this tenant and cannot access the application. The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different account.',
  },
  50034: {
    error: 'invalid_grant',
    text: 'The user account does not exist in the directory. To sign into this application, the account must be added to the directory.',
  },
  50053: {
    error: 'invalid_grant',
    text: 'The account is locked, you have tried to sign in too many times with an incorrect user ID or password.',
  },
  50055: {
    error: 'invalid_grant',
    text: 'The password is expired.',
    suberror: 'user_password_expired',
  },
  50057: { error: 'invalid_grant', text: 'The user account is disabled.' },
  50058: {
    error: 'login_required',
    text: 'A silent sign-in request was sent but no user is signed in.',
  },
  50072: {
    error: 'interaction_required',
    text: 'Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication.',
    suberror: 'basic_action',
    challenge: true,
  },
  50074: {
    error: 'interaction_required',
    text: 'Strong Authentication is required.',
    suberror: 'basic_action',
    challenge: true,
  },
  50076: {
    error: 'invalid_grant',
    text: 'Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the application.',
    suberror: 'basic_action',
    challenge: true,
  },
  50078: {
    error: 'invalid_grant',
    text: 'Presented multi-factor authentication has expired due to policies configured by your administrator, you must refresh your multi-factor authentication.',
    suberror: 'basic_action',
    challenge: true,
  },
  50079: {
    error: 'invalid_grant',
    text: 'Due to a configuration change made by your administrator, or because you moved to a new location, you must enroll in multi-factor authentication to access the application.',
    suberror: 'basic_action',
    challenge: true,
  },
  50105: {
    error: 'access_denied',
    text: 'Your administrator has configured the application to block users unless they are specifically granted (assigned) access to the application. The signed in user is blocked because they are not a direct member of a group with access, nor had access directly assigned by an administrator. Please contact your administrator to assign access to this application.',
  },
  50126: {
    error: 'invalid_grant',
    text: 'Error validating credentials due to invalid username or password.',
  },
  50144: { error: 'invalid_grant', text: "The user's Active Directory password has expired." },
  50158: {
    error: 'interaction_required',
    text: 'External security challenge not satisfied. User will be redirected to another page or authentication provider to satisfy additional authentication challenges.',
    challenge: true,
  },
  50173: {
    error: 'invalid_grant',
    text: 'The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.',
  },
  50196: {
    error: 'invalid_grant',
    text: 'The server terminated an operation because it encountered a client request loop. Please contact your app vendor.',
  },
  51004: {
    error: 'invalid_grant',
    text: 'The user account does not exist in the directory. To sign into this application, the account must be added to the directory.',
  },
  53000: {
    error: 'invalid_grant',
    text: 'Your device is required to be compliant to access this resource.',
    suberror: 'message_only',
    challenge: true,
  },
  53001: {
    error: 'invalid_grant',
    text: 'Device is not in required device state. Conditional Access policy requires a domain joined device.',
    suberror: 'message_only',
    challenge: true,
  },
  53003: {
    error: 'access_denied',
    text: 'Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.',
    suberror: 'message_only',
    challenge: true,
  },
  54005: {
    error: 'invalid_grant',
    text: 'OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.',
  },
  65001: {
    error: 'invalid_grant',
    text: 'The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.',
    suberror: 'consent_required',
  },
  65004: { error: 'access_denied', text: 'User declined to consent to access the app.' },
  70000: { error: 'invalid_grant', text: 'Provided grant is invalid or malformed.' },
  70003: { error: 'unsupported_grant_type', text: 'The app requested an unsupported grant type.' },
  70008: {
    error: 'invalid_grant',
    text: 'The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.',
  },
  70011: {
    error: 'invalid_scope',
    text: 'The provided value for the input parameter "scope" is not valid.',
  },
  70043: {
    error: 'invalid_grant',
    text: 'The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.',
    suberror: 'token_expired',
    challenge: true,
  },
  90002: {
    error: 'invalid_request',
    text: 'Tenant not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud.',
  },
  90014: { error: 'invalid_request', text: 'The required field is missing from the credential.' },
  90033: {
    error: 'temporarily_unavailable',
    text: 'A transient error has occurred. Please try again.',
    status: 503,
  },
  90055: {
    error: 'temporarily_unavailable',
    text: 'The request was throttled: too many requests. Please try again later.',
    status: 429,
  },
  90094: {
    error: 'access_denied',
    text: 'Admin consent is required for the permissions requested by the application. An administrator has to grant it.',
  },
  90095: {
    error: 'access_denied',
    text: 'Admin consent is required. The consent request has been sent to an administrator.',
  },
  500112: {
    error: 'invalid_grant',
    text: 'The reply address does not match the reply address provided when requesting the authorization code.',
  },
  501481: {
    error: 'invalid_grant',
    text: 'The Code_Verifier does not match the code_challenge supplied in the authorization request.',
  },
  530032: {
    error: 'access_denied',
    text: 'Access was blocked due to a security policy that your administrator has configured.',
    suberror: 'message_only',
  },
  700016: {
    error: 'unauthorized_client',
    text: 'Application was not found in the directory. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.',
  },
  700027: {
    error: 'invalid_client',
    text: 'Client assertion failed signature validation, or the key was not found.',
    status: 401,
  },
  700054: {
    error: 'unsupported_response_type',
    text: 'The response type is not enabled for the application.',
  },
  700082: { error: 'invalid_grant', text: 'The refresh token has expired due to inactivity.' },
  901002: {
    error: 'invalid_request',
    text: "The 'amr_values' request parameter is not supported.",
  },
  7000112: { error: 'unauthorized_client', text: 'The application is disabled.' },
  7000215: {
    error: 'invalid_client',
    text: 'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.',
    status: 401,
  },
  7000218: {
    error: 'invalid_client',
    text: "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    status: 401,
  },
  7000222: {
    error: 'invalid_client',
    text: 'The provided client secret keys are expired.',
    status: 401,
  },
}

interface EntraErrorBody {
  error: string
  error_description: string
  error_codes: number[]
  timestamp: string
  trace_id: string
  correlation_id: string
  error_uri: string
  suberror?: string
  claims?: string
}

export class EntraError extends Error {
  readonly code: number
  readonly error: string
  readonly status: number
  readonly suberror: string | undefined
  readonly text: string
  readonly #challenge: boolean
  constructor(code: number, detail?: string) {
    const row: Row = ROWS[code] ?? { error: 'invalid_request', text: 'The request was rejected.' }
    super(`AADSTS${code}: ${row.text}`)
    this.code = code
    this.error = row.error
    this.status = row.status ?? 400
    this.suberror = row.suberror
    this.text = detail ? `${row.text} ${detail}` : row.text
    this.#challenge = row.challenge ?? false
  }

  /**
   * The claims challenge. Its content means nothing: the application only has to return it
   * unchanged.
   */
  get claims(): string | undefined {
    return this.#challenge
      ? '{"access_token":{"capolids":{"essential":true,"values":["00000000-0000-4000-8000-0000ca000001"]}}}'
      : undefined
  }

  describe(now: Date, correlationId: string, traceId: string): string {
    return `AADSTS${this.code}: ${this.text} Trace ID: ${traceId} Correlation ID: ${correlationId} Timestamp: ${stamp(now)}`
  }

  body(nowMs: number, correlationId: string = randomUUID(), origin = ''): EntraErrorBody {
    const now = new Date(nowMs)
    const traceId = randomUUID()
    return {
      error: this.error,
      error_description: this.describe(now, correlationId, traceId),
      error_codes: [this.code],
      timestamp: stamp(now),
      trace_id: traceId,
      correlation_id: correlationId,
      error_uri: `${origin}/error?code=${this.code}`,
      ...(this.suberror ? { suberror: this.suberror } : {}),
      ...(this.claims ? { claims: this.claims } : {}),
    }
  }
}

/** Formats a time as Entra does, for example `2026-11-24 09:00:00Z`. */
const stamp = (now: Date): string => `${now.toISOString().slice(0, 19).replace('T', ' ')}Z`
