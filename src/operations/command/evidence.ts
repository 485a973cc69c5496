import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import {
  type CheckSignature,
  keyTimeProblem,
  type Verified,
  verifyEvidence,
  verifyReceipt,
} from '../acts/evidence-file.ts'
import { type Receipt, receiptWords } from '../acts/receipt-words.ts'
import { CommandFailure, EXIT, type Json, requestOf } from './broker.ts'
import { readPast } from './moment.ts'
import { group, local, option, period, type Context } from './context.ts'
import { lines, time, timeMs } from './show.ts'
import { OPTION } from './texts/options.ts'
import { SAYS } from './texts/answers.ts'

interface Asked {
  revocation?: string
  user?: string
  audit?: boolean
  from?: number
  to?: number
}

/**
 * The commands `cmb evidence`: the broker exports the evidence of a revocation or of the audit log
 * to a file, and the command verifies it without the broker.
 */
export const evidenceCommands = group(
  'evidence',
  local<Asked>(
    {
      name: 'export',
      flags: [
        option('--revocation <seq>', 'one revocation, by its number in the log'),
        option('--user <name>', OPTION.evidence_user).conflicts('revocation'),
        option('--audit', OPTION.audit).conflicts(['revocation', 'user']),
        ...period(readPast),
      ],
    },
    async ({ context, self, options }) => {
      const broker = await context.broker(self)
      context.terminal.out(await broker.text(evidencePath(options)))
    },
  ),
  local<{ keys?: string }>(
    {
      name: 'verify <file>',
      flags: [option('--keys <file>', OPTION.keys)],
    },
    ({ context, self, args: [file = ''], options }) => verify(context, self, file, options.keys),
  ),
)

function evidencePath({ revocation, user, audit, from, to }: Asked): string {
  if (user !== undefined)
    return requestOf('GET /users/evidence', { sub: user, since: from, until: to })[1]
  if (revocation !== undefined && from === undefined && to === undefined)
    return `/revocations/${encodeURIComponent(revocation)}/evidence`
  if (audit !== true || revocation !== undefined)
    throw new CommandFailure(EXIT.usage, SAYS.what_to_export)
  const ms = (at: number | undefined) => (at === undefined ? undefined : at * 1000)
  return requestOf('GET /audit/evidence', { since_ms: ms(from), until_ms: ms(to) })[1]
}

async function verify(
  context: Context,
  command: Command,
  file: string,
  keysFile: string | undefined,
): Promise<void> {
  const { readUnverified, verifyForeign } = await import('../../keys/jws.ts')
  const content = await read(file)
  try {
    const receipt = receiptIn(content)
    if (receipt !== undefined && keysFile === undefined)
      throw new CommandFailure(EXIT.usage, SAYS.receipt_needs_keys)
    const found = receipt === undefined ? content.split('\n').filter((line) => line !== '') : []
    const keys =
      keysFile === undefined
        ? found.map((line) => JSON.parse(line) as Json).filter(({ record }) => record === 'key')
        : (JSON.parse(await read(keysFile)) as { keys: Json[] }).keys
    const signers = new Set<Json>()
    const check: CheckSignature = async (jws, typ) => {
      const header = readUnverified(String(jws))?.header
      const key = keys.find(({ kid }) => kid === header?.kid)
      if (header?.typ !== typ || key === undefined || !isCanonical(String(jws))) return undefined
      const answer = await verifyForeign(String(jws), [key])
      if (answer.outcome !== 'good') return undefined
      const problem = keyTimeProblem(key, typ, answer.claims.iat)
      if (problem !== undefined) throw new Error(problem)
      signers.add(key)
      return answer.claims
    }
    const evidence = await (receipt === undefined
      ? verifyEvidence(found, check)
      : verifyReceipt(receipt, check))
    const verified = {
      ...evidence,
      keyTimes: [...signers].every((key) => key.created_at !== undefined),
      kids: [...signers].map(({ kid }) => String(kid)),
      keysFrom: keysFile ?? FILE_ITSELF,
    }
    command.setOptionValue('exitCode', keysFile === undefined ? EXIT.unproven : EXIT.done)
    context.print(command, verified, () => words(verified))
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    throw new CommandFailure(
      EXIT.failed,
      `${file} does not verify. ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailure(EXIT.usage, `${file} cannot be read (${error.code ?? error.message}).`)
  })

/** Returns a receipt as the admin API and `cmb revocations show --json` print it. */
function receiptIn(content: string): Json | undefined {
  try {
    const json = JSON.parse(content) as Json
    const receipt = (json.receipt ?? json) as Json
    return typeof receipt.jws === 'string' && receipt.record === undefined ? receipt : undefined
  } catch {
    return undefined
  }
}

/** Returns whether no bit of a JWS is unused: such a bit could be changed unnoticed. */
const isCanonical = (jws: string): boolean =>
  jws.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)

const FILE_ITSELF = 'the file itself'

type Shown = Verified & { keyTimes: boolean; kids: string[]; keysFrom: string }

const words = (shown: Shown): string =>
  `The evidence of ${about(shown)} is as ${shown.keysFrom === FILE_ITSELF ? 'the keys in it' : 'the broker'} signed it.
${lines([
  ['signed at', time(shown.signedAt)],
  ['signed by', shown.kids.join(' ')],
  ['keys from', shown.keysFrom],
  [
    'times of the keys',
    shown.keyTimes
      ? 'each key was in use when it signed'
      : 'not checked: the keys say nothing of their times',
  ],
  ...(shown.log === 'receipt'
    ? []
    : [['rows', shown.rows] as const, ['personal fields', personalWords(shown)] as const]),
  ...(shown.log === 'user' ? shown.revocations.map(stopped) : []),
])}${shown.keysFrom === FILE_ITSELF ? SAYS.not_proved : ''}`

function about(shown: Verified): string {
  const { log, rows } = shown
  switch (log) {
    case 'receipt':
      return `the receipt of revocation ${shown.from}`
    case 'revocations':
      return `revocation ${shown.from}`
    case 'audit':
      return `the audit log, ${rows} entries from number ${shown.from} to ${shown.to},`
    case 'user':
      return `${rows} ${rows === 1 ? 'revocation' : 'revocations'} of user ${shown.sub}${periodWords(shown)}`
  }
}

const periodWords = ({
  since,
  until,
}: {
  since?: number | undefined
  until?: number | undefined
}) =>
  [
    since === undefined ? '' : ` from ${time(since)}`,
    until === undefined ? '' : ` before ${time(until)}`,
  ].join('')

/** Returns what the receipt of a revocation says, as a line. */
const stopped = ({ seq, receipt }: { seq: number; receipt?: object | undefined }) =>
  [
    `revocation ${seq}`,
    receipt === undefined ? 'no receipt was kept' : receiptWords(receipt as Receipt, timeMs),
  ] as const

const personalWords = ({ rows, withoutPersonal }: Verified): string =>
  withoutPersonal === 0
    ? 'match the chain'
    : `${withoutPersonal} of ${rows} ${withoutPersonal === 1 ? 'row has' : 'rows have'} none: the user was erased`
