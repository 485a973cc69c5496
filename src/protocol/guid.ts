export const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/**
 * Returns whether the value is a GUID in lower case, the form of Entra's ids of tenants, users and
 * applications.
 */
export const isGuid = (value: string): boolean => GUID.test(value)
