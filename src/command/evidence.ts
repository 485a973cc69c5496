import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import { readUnverified, verifyForeign } from '../keys/jws.ts'
import { type CheckSignature, evidenceCsv, evidenceLines, type Verified, verifyEvidence } from '../protocol/evidence-file.ts'
import { CommandFailure, EXIT, type Json } from './broker.ts'
import { asJson, examples, type Context } from './context.ts'
import { lines, time } from './show.ts'

/** Evidence of a revocation: written to a file by the broker, verified without it. */
export function evidenceCommands(program: Command, context: Context): void {
  const evidence = program.command('evidence').description('Signed evidence of a revocation: for auditors.')
  examples(
    evidence
      .command('export')
      .description(
        'Write all that is known of one revocation, signed: its row in the chain, its deliveries with their attempts, what guards reported.',
      )
      .requiredOption('--revocation <seq>', 'its number in the log')
      .addOption(
        new Option('--format <format>', 'json: an object a line; csv: the same with columns for a spreadsheet')
          .choices(['json', 'csv'])
          .default('json'),
      )
      .action(async (options: { revocation: string; format: string }, command: Command) => {
        const text = await (await context.broker(command)).text(`/revocations/${encodeURIComponent(options.revocation)}/evidence`)
        context.terminal.out(options.format === 'csv' ? evidenceCsv(text.split('\n').filter((line) => line !== '')) : text)
      }),
    'cmb evidence export --revocation 4711 > revocation-4711.jsonl',
    'cmb evidence export --revocation 4711 --format csv > revocation-4711.csv',
  )
  examples(
    evidence
      .command('verify <file>')
      .description('Check a file of evidence without the broker: any line that was changed, removed, added or moved is found.')
      .option('--keys <file>', "the broker's public keys, saved from /.well-known/signing-keys-archive; without it, those in the file itself")
      .addOption(asJson())
      .action((file: string, options: { keys?: string }, command: Command) => verify(context, command, file, options.keys)),
    'cmb evidence verify revocation-4711.jsonl --keys signing-keys-archive.json',
  )
}

async function verify(context: Context, command: Command, file: string, keysFile: string | undefined): Promise<void> {
  const content = await read(file)
  try {
    const found = evidenceLines(content)
    const keys = keysFile === undefined ? keysOf(found) : (JSON.parse(await read(keysFile)) as { keys: Json[] }).keys
    const kids = new Set<string>()
    const check: CheckSignature = async (jws, typ) => {
      const header = readUnverified(jws)?.header
      if (header?.typ !== typ) return undefined
      const answer = await verifyForeign(jws, keys)
      if (answer.outcome !== 'good') return undefined
      kids.add(String(header.kid))
      return answer.claims
    }
    const verified = { ...(await verifyEvidence(found, check)), kids: [...kids], keysFrom: keysFile ?? 'the file itself' }
    context.print(command, verified, () => words(verified))
  } catch (error) {
    if (error instanceof CommandFailure) throw error
    throw new CommandFailure(EXIT.failed, `${file} does not verify. ${error instanceof Error ? error.message : String(error)}`)
  }
}

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new CommandFailure(EXIT.usage, `${file} cannot be read (${error.code ?? error.message}).`)
  })

const keysOf = (found: readonly string[]): Json[] =>
  found
    .map((line) => JSON.parse(line) as Json)
    .filter(({ record }) => record === 'key')
    .map(({ jwk }) => jwk as Json)

const words = ({ seq, chained, personal, signedAt, kids, keysFrom }: Verified & { kids: string[]; keysFrom: string }): string =>
  `The evidence of revocation ${seq} is as the broker signed it.
${lines([
  ['signed at', time(signedAt)],
  ['signed by', kids.join(' ')],
  ['keys from', keysFrom],
  ['row in the chain', chained ? 'yes' : 'no: it is older than the chain, and only the signature of the export covers it'],
  ['personal fields', personal ? 'match the chain' : 'not in the file: the user was erased'],
])}${keysFrom === 'the file itself' ? 'Compare the key ids with /.well-known/signing-keys-archive of the broker, or name its copy with --keys.\n' : ''}`
