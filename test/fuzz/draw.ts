/** Random choices from one seed: the same seed makes the same requests. */
export class Draw {
  #state: number
  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** Returns a number 0 ≤ x < 1 (Mulberry32). */
  number(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  below(n: number): number {
    return Math.floor(this.number() * n)
  }
  chance(p: number): boolean {
    return this.number() < p
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** Returns a text that no parser expects. */
  junk(): string {
    return this.chance(0.004) ? 'A'.repeat(this.of([20_000, 70_000, 300_000])) : this.of(JUNK)
  }

  /**
   * Returns nearly the same text: a letter changed, lost or doubled, cut short, made longer, or
   * with an unusual character.
   */
  mutated(value: string): string {
    const at = this.below(value.length + 1)
    const [head, tail] = [value.slice(0, at), value.slice(at)]
    const ways = [
      () => head + this.of('AZaz09-_.~=/+ '.split('')) + tail.slice(1),
      () => head + tail.slice(1),
      () => head + tail.slice(0, 1) + tail,
      () => head,
      () => tail,
      () => value + value,
      () => head + this.of(JUNK) + tail,
      () => value.toUpperCase(),
      () => `${value}.`,
      () => value.split('.').reverse().join('.'),
    ]
    return this.of(ways)()
  }
}

const JUNK: readonly string[] = [
  '',
  ' ',
  '\0',
  'a\0b',
  '%00',
  '%',
  '%zz',
  '%ff%fe',
  '..',
  '../../etc/passwd',
  '%2e%2e%2f',
  '\r\nSet-Cookie: x=1',
  '\u2028',
  '\ud800',
  '😀',
  'ß'.repeat(50),
  '-1',
  '0',
  '1e309',
  'NaN',
  'Infinity',
  '9'.repeat(30),
  '2147483648',
  'true',
  'null',
  'undefined',
  '[]',
  '{}',
  '{"a":',
  '{"__proto__":{"x":1}}',
  '['.repeat(2000),
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  "' OR 1=1 --",
  '"><script>alert(1)</script>',
  'javascript:alert(1)',
  'https://evil.example/',
  '//evil.example',
  '/\\evil.example',
  'http://[::1',
  'data:text/html,x',
  'eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.',
  'eyJhbGciOiJIUzI1NiJ9.e30.AA',
  'a.b.c',
  'a.b.c.d.e',
  'cmr_',
  `cmr_${'A'.repeat(78)}`,
  `cms_${'A'.repeat(43)}`,
  'x'.repeat(300),
  'a b c d e f g',
  '*',
  '\t',
  'W/"x"',
]
