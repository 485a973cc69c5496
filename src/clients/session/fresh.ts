/** How recently a user must have signed in at Microsoft for what an attacker at an open session must not do. */

export const FRESH_SECONDS = 300

/** @param authTime by Microsoft's clock; 0 or not given: Microsoft did not say, and no age is recent enough */
export const isFresh = ({ authTime = 0 }: { authTime?: number | undefined }, now: number): boolean => authTime > 0 && now - authTime <= FRESH_SECONDS
