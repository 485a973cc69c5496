import { randomUUID } from 'node:crypto'
import { BoundedMap } from './bounded.ts'
import type { User } from './users.ts'

/** Microsoft's own single sign-on session, one for each browser, with several accounts. */

export interface Account {
  user: User
  sid: string
  /** When the password was entered. MFA does not change it. */
  authTime: number
  mfaAt: number | undefined
  /** When the passkey was used. It is a second factor too. */
  passkeyAt: number | undefined
  kmsi: boolean | undefined
  signedIn: boolean
  generation: number
  /** The applications that took part, which get the sign-out. */
  clientIds: Set<string>
}

export interface Browser {
  id: string
  persistent: boolean
  accounts: Account[]
  /** The user as whom every authorization of this browser completes, without pages. */
  completesAs: User | undefined
}

export const BROWSER_COOKIE = 'simulated_microsoft'
const MAX_BROWSERS = 50_000
const MAX_ACCOUNTS = 10

export class Browsers {
  readonly #browsers = new BoundedMap<string, Browser>(MAX_BROWSERS)

  find(id: string | undefined): Browser | undefined {
    return id === undefined ? undefined : this.#browsers.get(id)
  }

  open(completesAs?: User): Browser {
    const browser: Browser = { id: randomUUID(), persistent: false, accounts: [], completesAs }
    this.#browsers.set(browser.id, browser)
    return browser
  }
}

/** Returns whether Microsoft still honors this account's session in this browser. */
export function isLive(account: Account): boolean {
  const { user } = account
  return (
    account.signedIn &&
    !user.deleted &&
    user.accountEnabled &&
    account.generation === user.browserGeneration
  )
}

export const liveAccounts = (browser: Browser): Account[] => browser.accounts.filter(isLive)
export const accountOf = (browser: Browser, user: User): Account | undefined =>
  browser.accounts.find((account) => account.user === user)

/** Signs an account in with its password. A live session keeps its `sid`; else a new one begins. */
export function signInAccount(
  browser: Browser,
  user: User,
  authTime: number,
  rememberMfa = false,
): Account {
  const account: Account = {
    user,
    sid: randomUUID(),
    authTime,
    mfaAt: undefined,
    passkeyAt: undefined,
    kmsi: undefined,
    signedIn: true,
    generation: user.browserGeneration,
    clientIds: new Set(),
  }
  const before = accountOf(browser, user)
  if (before && isLive(before)) {
    account.sid = before.sid
    account.clientIds = before.clientIds
    account.kmsi = before.kmsi
  }
  if (before && rememberMfa) account.mfaAt = before.mfaAt
  browser.accounts = [account, ...browser.accounts.filter((other) => other !== before)].slice(
    0,
    MAX_ACCOUNTS,
  )
  return account
}
