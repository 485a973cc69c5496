/** What the files of this module hand to each other: a checked request to sign out, and its outcome. */

/** Why a request leads nowhere but to a page of ours (§4): never a redirect. */
export type Refusal =
  | 'malformed'
  /** Not an ID token of ours, or of a client that is gone. */
  | 'hint'
  /** `client_id` is unknown, or not the one that the ID token was issued to (§2). */
  | 'client'
  /** Not an exact match with an address that the client registered (§3). */
  | 'address'
  /** An address, without the client that it belongs to. */
  | 'address_without_client'

export type Checked = { request: LogoutRequest; refusal?: undefined } | { request?: undefined; refusal: Refusal }

/** A request to sign out that was checked: nothing in it is a stranger's word. */
export interface LogoutRequest {
  /** The instance that asks. */
  clientId?: string | undefined
  /** Whom its ID token names; not set where it sent none. */
  hint?: { sub: string; sid?: string | undefined } | undefined
  /** An exact match with an address that the client registered. */
  returnTo?: string | undefined
  state?: string | undefined
}
