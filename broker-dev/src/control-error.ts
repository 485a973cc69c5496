/**
 * A rejected request to `/_control`: the HTTP status, an error code and a sentence for the
 * developer.
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
