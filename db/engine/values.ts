/** A column that may be NULL, as the rest of the broker knows it. */
export const optional = <T>(value: T | null): T | undefined => value ?? undefined

export const parseList = (value: string | null): string[] | undefined => (value === null ? undefined : (JSON.parse(value) as string[]))
