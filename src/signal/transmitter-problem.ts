/** A transmitter does not answer as it should. The words are for operators: they hold no token. */
export class TransmitterProblem extends Error {
  readonly next: string
  readonly status: number | undefined
  constructor(message: string, next: string, status?: number) {
    super(message)
    this.name = 'TransmitterProblem'
    this.next = next
    this.status = status
  }
}
