import { hash, timingSafeEqual } from 'node:crypto'

/**
 * Compares two strings in time that does not depend on their content. Their lengths may be
 * observable.
 */
export function equalInConstantTime(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

/**
 * Returns the SHA-256 in base64url, the form in which codes, cookies and client secrets (256 random
 * bits each) are stored.
 */
export const sha256 = (value: string): string => hash('sha256', value, 'base64url')
