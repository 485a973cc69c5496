/** The words that the view of the queue adds to bull-board's. */
export const QUEUE = {
  title: 'Case Manager: queue',
  what: 'One job for each revocation. Retry redrives its rejected and failed deliveries. The database has the truth: losing this queue loses nothing.',
  back: 'Back to the console',
} as const
