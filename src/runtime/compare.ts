import { hash, timingSafeEqual } from 'node:crypto'

/** Compares two strings in time that depends on neither's content; their lengths may show. */
export function equalInConstantTime(a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}

/** SHA-256 in base64url: how codes, cookies and client secrets (256 random bits each) are kept. */
export const sha256 = (value: string): string => hash('sha256', value, 'base64url')
