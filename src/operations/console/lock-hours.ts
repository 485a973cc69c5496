/** For how long a user is locked, as the forms of both consoles offer it. */

const HOURS = ['1', '8', '24'] as const

export const HOUR_CHOICES = HOURS.map((hours) => [hours, hours === '1' ? '1 hour' : `${hours} hours`] as const)
export const UNTIL_LIFTED = ['', 'Until an administrator lifts it'] as const

/** @returns undefined: until it is lifted */
export function endOf(hours: string | null, now: number): number | undefined {
  const known = HOURS.find((one) => one === hours)
  return known === undefined ? undefined : now + Number(known) * 3600
}
