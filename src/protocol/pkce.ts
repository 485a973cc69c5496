/** RFC 7636 §4.1: 43 to 128 unreserved characters. */
export const isCodeVerifier = (value: string): boolean => /^[A-Za-z0-9\-._~]{43,128}$/.test(value)
/** RFC 7636 §4.2, S256: a SHA-256 in base64url, so 43 characters. */
export const isCodeChallenge = (value: string): boolean => /^[A-Za-z0-9\-_]{43}$/.test(value)
