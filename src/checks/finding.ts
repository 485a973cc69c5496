/** One thing that doctor examined, how it is, and how to fix it. */
export interface Finding {
  /** What was looked at: `store`, `client sydney`. */
  name: string
  state: 'good' | 'warning' | 'bad'
  found: string
  /** What to do about it. */
  mend?: string
}
