import { settingsOf, type Section, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

/**
 * Writes the reference page docs/configuration.md from the table of settings: `npm run
 * docs:settings`.
 */

const OPENING = `# Configuration

For operators who set up a broker. After this page you know every setting, its default and an example. It is written from the table of settings
(\`npm run docs:settings\`).

The broker reads its settings from environment variables once, at start. It reports every error at once, each with an example, and does not start. \`cmb doctor\` runs the same checks without a start.

Instead of a value, \`<NAME>_FILE\` may name a file that holds it (Docker and Kubernetes secrets); set one of the two. An empty variable counts as not set.

The broker reports a \`BROKER_…\` variable that it does not read, with the nearest name, in the log at start and in \`cmb doctor\`. It starts all the same ([decision 0022](decisions/0022-unknown-settings-warn.md)).
`

const SECTIONS: Record<Section, { title: string; text: string }> = {
  broker: {
    title: 'The broker',
    text: 'With `BROKER_ISSUER` and `BROKER_SECRET` alone the broker starts without a connection to Microsoft. `cmb setup` then prints a link to `/setup`, whose pages connect it ([operations.md](operations.md#connect-microsoft)).',
  },
  microsoft: {
    title: 'Microsoft',
    text: 'You can enter all of this at `/setup` instead. The database holds the active connection: the broker takes tenants, application, operator tenant and proof of MFA from here only while the database has none. It reports a later difference and does not apply it. A credential that is set here takes precedence over one that was entered at `/setup`. What to set up in Entra: [entra.md](entra.md).',
  },
  signals: {
    title: 'Signals from Microsoft and other systems',
    text: '[microsoft.md](microsoft.md) says what each signal detects, and how soon.',
  },
  sessions: { title: 'Sessions', text: 'How long a session lasts.' },
  retention: {
    title: 'Retention',
    text: 'How many days the broker keeps ended sessions and logs. Table by table: [operations.md](operations.md#retention).',
  },
  rates: {
    title: 'Rate limits',
    text: '`20/s:600` allows 20 requests a second and 600 at once; `10/min:30` is per minute; `off` removes the limit. Each broker counts by itself. A request over a limit gets 429 with `Retry-After` and counts in `broker_rate_limited_total`. Each limit remembers at most 20,000 keys. An IPv6 /64 counts as one address. Behind a proxy, set `BROKER_TRUSTED_PROXIES`; otherwise every user has the address of the proxy. Feed streams over their number get 503 instead. Three limits are fixed: wrong setup tokens (`6/min:10`, by address), CSV lists that a user downloads at the console (`6/min:20`, by user), and changes that a receiver of Shared Signals makes to its stream (`10/min:200`, by client). Sign-outs, revocations and the reports of guards have no limit. How signals are bounded: [microsoft.md](microsoft.md#how-signals-are-bounded).',
  },
  messages: {
    title: 'Webhooks',
    text: 'Messages that the broker sends to other systems: [webhooks.md](webhooks.md).',
  },
  look: {
    title: 'What users see',
    text: 'Names, links, logo and color of the users’ pages. Administrators enter names, links, color and images at `/setup/branding` too. A field that is saved there takes precedence over its variable, on every broker within a second. The broker reads image files once, at start, and serves all images itself: no page makes a request to another host.',
  },
  parts: {
    title: 'Queue, database, clients',
    text: 'The servers and files that the broker uses. If your own certificate authority signs the certificates of instances, start the broker with `NODE_EXTRA_CA_CERTS=/etc/ssl/own-ca.pem`: a file of PEM certificates that Node reads at its start and trusts in addition to the public authorities, for everything that the broker calls.',
  },
}

function row(setting: Setting<unknown>): string {
  const shown = setting.required
    ? 'required'
    : (setting.defaultText ?? (setting.default === undefined ? '' : `\`${setting.default}\``))
  const example =
    setting.example === '' || setting.example === setting.default
      ? ''
      : ` Example: \`${setting.example}\`.`
  return `| \`${setting.name}\` | ${shown} | ${setting.text}${example} |`
}

/** Wraps text to 120 characters a line, as on every page. A code span is not broken. */
function wrapped(text: string): string {
  const lines: string[] = ['']
  for (const word of text.match(/(?:`[^`]*`|[^\s`])+/g) ?? []) {
    const line = lines.at(-1) ?? ''
    if (line !== '' && line.length + 1 + word.length > 120) lines.push(word)
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`
  }
  return lines.join('\n')
}

export function configurationPage(): string {
  const all = [...settingsOf(SETTINGS)]
  const sections = Object.entries(SECTIONS).map(([section, { title, text }]) => {
    const rows = all.filter((setting) => setting.section === section).map(row)
    return `## ${title}\n\n${wrapped(text)}\n\n| Variable | Default | Meaning |\n|---|---|---|\n${rows.join('\n')}\n`
  })
  return [`${OPENING.split('\n\n').map(wrapped).join('\n\n')}\n`, ...sections].join('\n')
}
