import type { Forwarded } from './remote-address.ts'

/** Notices a proxy in front of the broker that is not trusted: every user behind it has the address of that proxy. */

/** Any client may send the header: so many requests in a row, without one whose proxies are all trusted, are no accident. */
const LEAST = 5

export class AddressWatch {
  #hidden = 0
  #address = ''

  /** Takes each request with X-Forwarded-For. @param isPrivate whether `from` is a private or loopback address, as that of a proxy is */
  note({ from, unused }: Forwarded, isPrivate: (address: string) => boolean): void {
    if (!unused || !isPrivate(from)) this.#hidden = 0
    else {
      this.#hidden++
      this.#address = from
    }
  }

  /** The address that all of the latest requests had, and how many they were. */
  hidden(): { address: string; requests: number } | undefined {
    return this.#hidden < LEAST ? undefined : { address: this.#address, requests: this.#hidden }
  }
}
