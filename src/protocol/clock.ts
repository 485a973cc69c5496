/** The time, in epoch seconds, and in milliseconds where a second is too long. Read once a request and passed down. */
export interface Clock {
  now(): number
  nowMs(): number
}
