export const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** A GUID in lower case, as Entra writes the ids of tenants, users and applications. */
export const isGuid = (value: string): boolean => GUID.test(value)
