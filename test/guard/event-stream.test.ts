import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EventParser, readEvents, type StreamEvent } from '../../guard/src/event-stream.ts'

function parse(pieces: string[]): StreamEvent[] {
  const parser = new EventParser()
  return pieces.flatMap((piece) => parser.push(piece))
}

describe('reading server-sent events (HTML §9.2)', () => {
  test('fields, comments, several lines of data, and an id that lasts', () => {
    expect(
      parse([
        ': hello\n\nid: e.1\nevent: one\ndata: a\ndata:b\n\ndata\n\nretry: 5\nid: bad\0\nunknown: x\nevent: none\n\ndata: c\n\n',
      ]),
    ).toEqual([
      { event: 'one', data: 'a\nb', id: 'e.1' },
      { event: 'message', data: '', id: 'e.1' },
      { event: 'message', data: 'c', id: 'e.1' },
    ])
  })

  test('half an event is none', () => {
    expect(parse(['event: one\ndata: a\n'])).toEqual([])
  })

  test('however it is cut and whatever ends its lines, the same events', () => {
    const line = fc.constantFrom(
      'data: a',
      'data: {"seq":1}',
      'event: revocation',
      'id: epoch.7',
      ': heartbeat',
      'data',
      'x: y',
      '',
      '',
    )
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 40 }),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.array(fc.nat(200), { maxLength: 20 }),
        (lines, ending, cuts) => {
          // A CR at the end may be half a CRLF: something must follow it.
          const text = [...lines, 'x', '', '', 'y'].join(ending)
          const at = [
            ...new Set([0, ...cuts.map((cut) => cut % (text.length + 1)), text.length]),
          ].sort((a, b) => a - b)
          const pieces = at.slice(1).map((end, index) => text.slice(at[index], end))
          expect(parse(pieces)).toEqual(parse([[...lines, 'x', '', '', 'y'].join('\n')]))
        },
      ),
    )
  })

  test('an event without end is dropped, and so is the connection', async () => {
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) =>
        controller.enqueue(new TextEncoder().encode(`data: ${'x'.repeat(1024 * 1024)}\n`)),
      cancel: () => void (cancelled = true),
    })
    const all = async (): Promise<void> => {
      for await (const event of readEvents(body, () => {})) expect.unreachable(event.event)
    }
    await expect(all()).rejects.toThrow(RangeError)
    expect(cancelled).toBe(true)
  })

  test('characters that are cut in the middle are put together again', async () => {
    const bytes = new TextEncoder().encode('data: Zoë → 名\n\n')
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(new Uint8Array([byte]))
        controller.close()
      },
    })
    const seen: string[] = []
    for await (const { data } of readEvents(body, () => {})) seen.push(data)
    expect(seen).toEqual(['Zoë → 名'])
  })
})
