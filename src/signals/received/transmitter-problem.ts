/** A transmitter cannot be reached, or its answer is not valid. The texts are for operators and contain no token. */
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
