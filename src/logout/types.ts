/** What the files of this module hand to each other: a checked request to sign out, and what came of it. */

/** Why a request leads nowhere but to a page of ours (§4): never a redirect. */
export type Refusal =
  | 'malformed'
  /** Not an ID token of ours, or of a client that is gone. */
  | 'hint'
  /** `client_id` is nobody, or not the one the ID token was issued to (§2). */
  | 'client'
  /** Not registered by the client, letter by letter (§3). */
  | 'address'
  /** An address without a word on whose it is. */
  | 'address_without_client'

export type Checked = { request: LogoutRequest; refusal?: undefined } | { request?: undefined; refusal: Refusal }

/** A request to sign out that was checked: nothing in it is a stranger's word. */
export interface LogoutRequest {
  /** The instance that asks. */
  clientId?: string | undefined
  /** Whom its ID token names; not set where it sent none. */
  hint?: { sub: string; sid?: string | undefined } | undefined
  /** Registered by that client, letter by letter. */
  returnTo?: string | undefined
  state?: string | undefined
}
