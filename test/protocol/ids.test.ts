import { expect, test } from 'vitest'
import { newId, pooledRandom } from '../../src/runtime/ids.ts'

test('random bytes are drawn once for many values, no byte is handed out twice, and the pool keeps none of them', () => {
  const drawn: Buffer[] = []
  let next = 0
  const random = pooledRandom((bytes) => {
    const made = Buffer.alloc(bytes)
    for (let i = 0; i < bytes; i += 4) made.writeUInt32BE((next += 1), i)
    drawn.push(made)
    return made
  })
  const sizes = [...Array.from({ length: 600 }, (_, i) => 4 * (1 + (i % 8))), 8_192, 16]
  const values = sizes.map((size) => random(size))
  expect(values.map((value) => value.length)).toEqual(sizes)
  const words = values.flatMap((value) =>
    Array.from({ length: value.length / 4 }, (_, i) => value.readUInt32BE(4 * i)),
  )
  expect(new Set(words).size).toBe(words.length)
  expect(words).not.toContain(0)
  expect(drawn.length).toBeLessThan(sizes.length / 50)
  // A value that is longer than the pool is the buffer that was drawn for it.
  const pools = drawn.filter((pool) => pool.length === 4_096)
  for (const value of values.slice(0, -2))
    for (const pool of pools) expect(pool.includes(value)).toBe(false)
})

test('no id begins with a dash, because cmb would read it as an option', () => {
  const draws = [Buffer.alloc(16, 0xf8), Buffer.alloc(16, 0xfb), Buffer.alloc(16, 0x41)]
  expect(newId(() => draws.shift() ?? Buffer.alloc(16))).toBe(
    Buffer.alloc(16, 0x41).toString('base64url'),
  )
})
