/**
 * What a caller of `/_control` did wrong, or what the broker rejected: its status, a code and a
 * sentence.
 */
export class ControlError extends Error {
  readonly status: 400 | 403 | 404 | 405 | 409
  readonly code: string
  constructor(status: ControlError['status'], code: string, message: string) {
    super(message)
    this.name = 'ControlError'
    this.status = status
    this.code = code
  }
}
