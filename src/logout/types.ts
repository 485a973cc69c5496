import type { ReasonClass } from '../protocol/reason-class.ts'

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

export interface Done {
  /** What ended: `none` where nobody was signed in here. */
  scope: 'device' | 'everywhere' | 'none'
  /** `left`: Microsoft's own sign-out was passed through. `unreachable`: they wanted it, and it could not be had. */
  microsoft?: 'left' | 'unreachable' | undefined
  /** Sign-ins that still live on other devices although they wanted to be out everywhere. */
  elsewhere?: number | undefined
  /** Instances where the user was signed in. */
  clientIds: string[]
  /** Why the session had ended before. */
  why?: ReasonClass | undefined
  /** The revocation, to follow its deliveries. */
  seq?: number | undefined
  at: number
  /** The way back: the instance that asked, and an address of its that nobody confirmed going to. */
  clientId?: string | undefined
  back?: string | undefined
}
