import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Config } from '../config/config.ts'
import { readAsset } from './assets.ts'
import { type PageSecurity, setPageHeaders } from './headers.ts'
import { lookOf } from './look.ts'
import { speaksEnglish, textsOf, TextsProvider, type Texts } from './texts.ts'

const LIVE = readAsset(import.meta.url, './live.js')
const TIMES = readAsset(import.meta.url, './local-times.js')
const USERS = TIMES + readAsset(import.meta.url, './users.js')

/**
 * The layout that all pages share: one structure, one style and one set of headers. The JSX
 * renderer escapes text; only the broker's constant scripts are inserted without escaping.
 */

export interface PageOptions extends Pick<PageSecurity, 'formAction'> {
  config: Pick<Config, 'look' | 'entra'>
  /** The heading of the page and the title of the window. */
  title: string
  /**
   * The result of the form that was just sent. The window's title begins with it, so that a screen
   * reader reads it first.
   */
  said?: string | undefined
  /** How many things wait for the reader: the title of the window begins with the number. */
  waiting?: number | undefined
  status?: ContentfulStatusCode | undefined
  /** The severity, shown by an icon beside the heading. */
  mark?: 'good' | 'warn' | 'bad' | undefined
  /** The address for help of the reader's tenant, in place of the broker's. */
  help?: string | undefined
  /** True for a page wide enough for tables and long values. */
  wide?: boolean | undefined
  /** Links between the pages of an account, above the heading. */
  nav?: Child | undefined
  /**
   * The layout of the console: links beneath the brand, the full width for tables, and cards by its
   * parts. `sheet` is its style sheet, and `place` names the broker in the window's title.
   */
  console?: { nav: Child; sheet: string; place: string } | undefined
  /** True if the page opens with the focus on its heading, behind the navigation. */
  focused?: boolean | undefined
  /** A script for this page only. It must be a constant. */
  script?: string | undefined
  /**
   * The source of updates of parts with `data-live`: an event stream, or requests for that many
   * seconds.
   */
  live?: { events: string } | { seconds: number } | undefined
  /** The address to which the browser goes on by itself, at once. */
  next?: string | undefined
}

interface Script {
  text: string
  data?: Record<string, string | number> | undefined
}

function scriptsOf({ live, script }: PageOptions, forUsers: boolean): Script[] {
  return [
    { text: forUsers ? USERS : TIMES },
    ...(script === undefined ? [] : [{ text: script }]),
    ...(live === undefined
      ? []
      : [
          {
            text: LIVE,
            data: Object.fromEntries(
              Object.entries(live).map(([name, value]) => [`data-${name}`, value]),
            ),
          },
        ]),
  ]
}

/**
 * The configured logo, which contains the product's name, or the default logo with the name beside
 * it.
 */
function Brand({ config }: Pick<PageOptions, 'config'>) {
  const { product } = config.look
  const { logo, darkLogo } = lookOf(config)
  if (logo !== undefined)
    return (
      <picture class="brand">
        {darkLogo === undefined ? null : (
          <source srcset={darkLogo.href} media="(prefers-color-scheme: dark)" />
        )}
        <img src={logo.href} alt={product} height="40" />
      </picture>
    )
  return (
    <div class="brand">
      <span class="sign" aria-hidden="true" />
      <span>{product}</span>
    </div>
  )
}

/**
 * Buttons to choose the language, each labeled in its own language. They work without scripts and
 * for users who cannot read the page.
 */
const Languages = ({ config: { look }, t }: Pick<PageOptions, 'config'> & { t: Texts }) =>
  look.languages.length === 1 ? null : (
    <form class="languages" method="post" action="/language" aria-label={t.layout.languages}>
      {look.languages.map(({ language, name }) => (
        <button
          name="language"
          value={language}
          lang={language}
          aria-current={language === t.language ? 'true' : undefined}
        >
          {name}
        </button>
      ))}
    </form>
  )

/** The footer: the languages, the organization, and links to help and statements. */
function Foot({ config, help, t }: Pick<PageOptions, 'config' | 'help'> & { t: Texts }) {
  const { look } = config
  const links = [
    [help ?? look.support, t.layout.help],
    [look.privacy, t.layout.privacy],
    [look.terms, t.layout.terms],
    [look.accessibility, t.layout.accessibility],
  ] as const
  const shown = links.filter(([href]) => href !== undefined)
  return (
    <footer class="foot">
      <Languages config={config} t={t} />
      {look.organization === undefined ? null : <p>{look.organization}</p>}
      {shown.length === 0 ? null : (
        <ul>
          {shown.map(([href, label]) => (
            <li>
              <a href={href}>{label}</a>
            </li>
          ))}
        </ul>
      )}
    </footer>
  )
}

const Heading = ({ title, mark, focused }: PageOptions) =>
  mark === undefined ? (
    <h1 tabindex={focused ? -1 : undefined} autofocus={focused}>
      {title}
    </h1>
  ) : (
    <div class="heading">
      <span class={`mark ${mark}`} aria-hidden="true" />
      <h1>{title}</h1>
    </div>
  )

function Head({ config, title, said, waiting = 0, console, next }: PageOptions) {
  const { sheet, icon } = lookOf(config)
  return (
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>
        {waiting === 0 ? '' : `(${waiting}) `}
        {[said, title, console?.place, config.look.product].filter(Boolean).join(' · ')}
      </title>
      <link rel="stylesheet" href={sheet.href} />
      {console === undefined ? null : <link rel="stylesheet" href={console.sheet} />}
      <link rel="icon" href={icon.href} />
      {next === undefined ? null : <meta http-equiv="refresh" content={`0; url=${next}`} />}
    </head>
  )
}

interface DocumentProps {
  options: PageOptions
  scripts: readonly Script[]
  /** False for pages of operators, administrators or developers. */
  forUsers: boolean
  t: Texts
  children: Child
}

function Document({ options, scripts, forUsers, t, children }: DocumentProps) {
  const { config, console } = options
  return (
    <html lang={t.language} dir={t.direction === 'rtl' ? 'rtl' : undefined}>
      <Head {...options} />
      <body class={console !== undefined ? 'console' : forUsers ? 'users' : undefined}>
        <a class="skip" href="#content">
          {t.layout.skip}
        </a>
        {config.entra.simulated ? (
          <aside class="banner" aria-label={t.layout.simulatedLabel}>
            {t.layout.simulated}
          </aside>
        ) : null}
        <header class="top">
          <Brand config={config} />
          {console?.nav}
        </header>
        <main id="content" class={options.wide ? 'wide' : undefined}>
          {options.nav}
          <div class={console === undefined ? 'card' : 'stack'}>
            <Heading {...options} />
            {children}
          </div>
        </main>
        {forUsers ? <Foot config={config} help={options.help} t={t} /> : null}
        {scripts.map(({ text, data }) => (
          <script {...data}>{raw(text)}</script>
        ))}
      </body>
    </html>
  )
}

/**
 * Renders a whole page and sets its headers. `children` must not contain an asynchronous component.
 */
export function page(c: Context, options: PageOptions, children: Child): Response {
  const t = textsOf(c, options.config)
  const forUsers = !speaksEnglish(c)
  const scripts = scriptsOf(options, forUsers)
  const document = (
    <TextsProvider value={t}>
      <Document options={options} scripts={scripts} forUsers={forUsers} t={t}>
        {children}
      </Document>
    </TextsProvider>
  )
  // oxlint-disable-next-line typescript/no-base-to-string -- a JSX node renders itself by toString
  const html = document.toString()
  if (typeof html !== 'string') throw new TypeError('A page holds no asynchronous component.')
  setPageHeaders(c, {
    formAction: options.formAction,
    scripts: scripts.map(({ text }) => text),
    reads: options.live !== undefined || options.nav !== undefined,
  })
  return c.html(`<!doctype html>${html}`, options.status ?? 200)
}
