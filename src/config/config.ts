import type { Language } from './languages/language.ts'
import { type Image, readImage } from './image.ts'
import { readLanguages } from './languages.ts'
import { Reader } from './read.ts'
import type { ConfigProblem, Environment } from './setting.ts'
import { SETTINGS, type Values } from './settings.ts'
import { readSignalIssuers, type SignalIssuer } from './signal-issuers.ts'
import { unknownSettings } from './unknown.ts'
import { WORK_NAMES, type ProcessKind } from '../protocol/work.ts'

/**
 * Reads the settings of one broker from the environment, once: the values of the table, and values
 * derived from several of them.
 */

export type { Tenants } from './parsers.ts'
export type { ConfigProblem, Environment } from './setting.ts'
export type { SignalIssuer } from './signal-issuers.ts'

export type EntraCredential =
  /** `expiresAt`: in epoch seconds, if known. */
  | { kind: 'secret'; secret: string; expiresAt?: number | undefined }
  | { kind: 'certificate'; file: string }
  | { kind: 'federated'; file: string }

export interface Config extends Omit<Values, 'opsOrigin' | 'entra' | 'signals' | 'look'> {
  kind: ProcessKind
  opsOrigin: string
  entra: Pick<Values['entra'], 'tenants' | 'clientId' | 'authority' | 'simulated'> & {
    credential: EntraCredential | undefined
  }
  look: Omit<Values['look'], keyof typeof IMAGES | 'translationFiles'> & {
    [K in keyof typeof IMAGES]: Image | undefined
  } & {
    /** The languages of users' pages, English first. */
    languages: readonly Language[]
  }
  signals: Omit<Values['signals'], 'issuersFile'> & { issuers: SignalIssuer[] }
  /**
   * True if the operator set `mfaProof`, and thereby asserts that a policy requires it
   * (docs/entra.md).
   */
  mfaProofAsserted: boolean
  /** Problems that do not keep the broker from starting. */
  warnings: ConfigProblem[]
}

export type SignalSettings = Config['signals']

export class ConfigError extends Error {
  readonly problems: readonly ConfigProblem[]
  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      (p) =>
        `  ${p.name}: ${p.problem}\n${p.example === '' ? '' : `      for example: ${p.name}=${p.example}\n`}`,
    )
    super(
      `${problems.length === 1 ? 'One setting is' : `${problems.length} settings are`} wrong:\n${lines.join('')}All settings: docs/configuration.md`,
    )
    this.name = 'ConfigError'
    this.problems = problems
  }
}

const MICROSOFT_AUTHORITIES = [
  'https://login.microsoftonline.com',
  'https://login.microsoftonline.us',
  'https://login.partner.microsoftonline.cn',
]
const GRAPHS = [
  'https://graph.microsoft.com',
  'https://graph.microsoft.us',
  'https://dod-graph.microsoft.us',
  'https://microsoftgraph.chinacloudapi.cn',
]

/**
 * Reads every setting.
 * @throws ConfigError with every problem
 */
export function loadConfig(env: Environment, kind: ProcessKind = 'broker'): Config {
  const read = new Reader(env)
  const { opsOrigin, entra, signals, look, ...values } = read.table(SETTINGS)
  const credential = credentialOf(read, entra)
  // Rules between settings are checked only if the settings could be read.
  if (entra.authority !== undefined && entra.simulated !== undefined)
    judgeSimulation(read, entra, signals.graph.origin)
  judgeWork(read, values, kind)
  judgeRisk(read, signals)
  const { issuersFile, ...ownSignals } = signals
  const issuers =
    issuersFile === undefined
      ? []
      : readSignalIssuers(issuersFile, {
          issuer: values.issuer,
          allowLoopback: values.allowLoopbackTargets,
          add: (problem) => read.add(SETTINGS.signals.issuersFile, problem),
        })
  const images = readImages(read, look)
  const languages = readLanguages(read, look)
  if (read.problems.length > 0) throw new ConfigError(read.problems)
  return {
    ...values,
    kind,
    opsOrigin: opsOrigin ?? `http://localhost:${values.opsListen.port}`,
    entra: {
      tenants: entra.tenants,
      clientId: entra.clientId,
      authority: entra.authority,
      simulated: entra.simulated,
      credential,
    },
    signals: { ...ownSignals, issuers },
    look: { ...look, ...images, languages },
    mfaProofAsserted: Boolean(env[SETTINGS.mfaProof.name] || env[`${SETTINGS.mfaProof.name}_FILE`]),
    warnings: unknownSettings(env),
  }
}

const IMAGES = {
  logo: SETTINGS.look.logo,
  darkLogo: SETTINGS.look.darkLogo,
  icon: SETTINGS.look.icon,
}

function readImages(read: Reader, look: Values['look']): Pick<Config['look'], keyof typeof IMAGES> {
  const imageOf = (name: keyof typeof IMAGES) =>
    readImage(look[name], (problem) => read.add(IMAGES[name], problem))
  return { logo: imageOf('logo'), darkLogo: imageOf('darkLogo'), icon: imageOf('icon') }
}

function credentialOf(
  read: Reader,
  { secret, secretExpiresAt, certificateFile, federatedTokenFile }: Values['entra'],
): EntraCredential | undefined {
  const found: EntraCredential[] = []
  if (secret !== undefined) found.push({ kind: 'secret', secret, expiresAt: secretExpiresAt })
  if (certificateFile !== undefined) found.push({ kind: 'certificate', file: certificateFile })
  if (federatedTokenFile !== undefined) found.push({ kind: 'federated', file: federatedTokenFile })
  if (found.length > 1) {
    const others = `${SETTINGS.entra.certificateFile.name} and ${SETTINGS.entra.federatedTokenFile.name}`
    read.add(
      SETTINGS.entra.secret,
      `excludes ${others}: Entra takes exactly one credential, set one of the three`,
    )
  }
  return found[0]
}

/**
 * Checks that work shared between processes has a database and a queue that all of them can use.
 */
function judgeWork(
  read: Reader,
  { work, databaseUrl, queueUrl }: Pick<Values, 'work' | 'databaseUrl' | 'queueUrl'>,
  kind: ProcessKind,
): void {
  if (work === undefined || (kind === 'broker' && work.length === WORK_NAMES.length)) return
  const when =
    kind === 'worker' ? 'is needed by cmb work' : `is needed where ${SETTINGS.work.name} is not all`
  if (databaseUrl === undefined)
    read.add(
      SETTINGS.databaseUrl,
      `${when}: on SQLite, no other process can open the broker's file`,
    )
  if (queueUrl === undefined)
    read.add(SETTINGS.queueUrl, `${when}: brokers and workers need one queue server`)
  if (kind === 'worker' && work.length === 0)
    read.add(
      { ...SETTINGS.work, example: 'all' },
      'is none, so that this process would do nothing: leave it out, or name the work',
    )
}

/**
 * Checks that risk is read only for tenants with `BROKER_GRAPH`: the check of an account reads the
 * risk, and only those tenants have that check.
 */
function judgeRisk(read: Reader, { risk, graph: { tenants } }: Values['signals']): void {
  if (risk === undefined || tenants === undefined || tenants === 'all') return
  if (risk === 'all' ? tenants.length === 0 : risk.some((tid) => !tenants.includes(tid)))
    read.add(
      SETTINGS.signals.risk,
      `needs ${SETTINGS.signals.graph.tenants.name} for the same tenants: set that too`,
    )
}

/**
 * Checks that an authority or Graph that is not Microsoft's is declared as simulated, because a
 * sign-in there proves nothing.
 */
function judgeSimulation(
  read: Reader,
  { authority, simulated }: Values['entra'],
  graph: string | undefined,
): void {
  const { authority: authoritySetting, simulated: simulatedSetting } = SETTINGS.entra
  const microsofts = MICROSOFT_AUTHORITIES.includes(authority)
  if (!microsofts && !simulated)
    read.add(
      authoritySetting,
      `is not Microsoft's: for a simulated Microsoft, which proves nothing, set ${simulatedSetting.name}=yes too`,
    )
  if (microsofts && simulated)
    read.add(
      { ...simulatedSetting, example: 'no' },
      "is yes, but the authority is Microsoft's own: remove one of the two",
    )
  if (graph !== undefined && !simulated && !GRAPHS.includes(new URL(graph).origin))
    read.add(
      SETTINGS.signals.graph.origin,
      `is not Microsoft's: another Graph needs ${simulatedSetting.name}=yes`,
    )
}
