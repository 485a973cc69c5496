/** Where a page of sessions begins: after this one, newest first. */
interface SessionPlace {
  openedAt: number
  sid: string
}

export const SESSION_CURSOR = /^(\d{1,12})\.([\w-]{1,100})$/

/** Undefined: the first page, or no cursor of ours. */
export function readSessionCursor(cursor: string | undefined): SessionPlace | undefined {
  const [, openedAt, sid = ''] = SESSION_CURSOR.exec(cursor ?? '') ?? []
  return openedAt === undefined ? undefined : { openedAt: Number(openedAt), sid }
}

export const sessionCursor = ({ openedAt, sid }: SessionPlace): string => `${openedAt}.${sid}`
