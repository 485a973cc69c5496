import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { readAsset, STYLE_HREF } from './assets.ts'
import { type PageSecurity, setPageHeaders } from './headers.ts'
import { textsOf, TextsProvider, type Texts } from './texts.ts'

const LIVE = readAsset(import.meta.url, './live.js')

/** What every page shares: one layout, one style, one set of headers. Text in it is escaped by the JSX renderer; the only markup let through raw is our own constant scripts. */

export interface PageOptions extends PageSecurity {
  /** The page's heading and the window's title. */
  title: string
  status?: ContentfulStatusCode | undefined
  /** Room for tables and long values. */
  wide?: boolean | undefined
  /** Microsoft is simulated: every page says so. */
  simulated?: boolean | undefined
  /** A page with links of its own beneath the brand, as wide as its tables; its parts bring their own cards. */
  desk?: { nav: Child; sheet: string } | undefined
  /** Its parts marked `data-live` follow what changes: told by a stream of events, or looked up for so many seconds. */
  live?: { events: string } | { seconds: number } | undefined
}

function Script({ live, script }: PageOptions) {
  if (live === undefined) return script === undefined ? null : <script>{raw(script)}</script>
  const when = 'events' in live ? { 'data-events': live.events } : { 'data-seconds': live.seconds }
  return <script {...when}>{raw(LIVE)}</script>
}

const Brand = ({ t }: { t: Texts }) => (
  <div class="brand">
    <svg width="28" height="28" viewBox="0 0 28 28" aria-hidden="true" focusable="false">
      <rect x="2" y="7" width="24" height="17" rx="4" fill="currentColor" />
      <path d="M10 7V5.5A2.5 2.5 0 0 1 12.5 3h3A2.5 2.5 0 0 1 18 5.5V7" fill="none" stroke="currentColor" stroke-width="2" />
      <path class="tick" d="M9.5 15.5l3.2 3.2 6-6.2" fill="none" stroke-width="2.2" stroke-linecap="round" stroke-linejoin="round" />
    </svg>
    <span>{t.layout.brand}</span>
  </div>
)

function Document({ options, t, children }: { options: PageOptions; t: Texts; children: Child }) {
  return (
    <html lang={t.language}>
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>{`${options.title} · ${t.layout.brand}`}</title>
        <link rel="stylesheet" href={STYLE_HREF} />
        {options.desk === undefined ? null : <link rel="stylesheet" href={options.desk.sheet} />}
        <link rel="icon" href="data:," />
      </head>
      <body class={options.desk === undefined ? undefined : 'desk'}>
        <a class="skip" href="#content">
          {t.layout.skip}
        </a>
        {options.simulated ? (
          <aside class="banner" aria-label={t.layout.simulatedLabel}>
            {t.layout.simulated}
          </aside>
        ) : null}
        <header class="top">
          <Brand t={t} />
          {options.desk?.nav}
        </header>
        <main id="content" class={options.wide ? 'wide' : undefined}>
          <div class={options.desk === undefined ? 'card' : 'stack'}>
            <h1>{options.title}</h1>
            {children}
          </div>
        </main>
        <Script {...options} />
      </body>
    </html>
  )
}

/** Renders a whole page with its headers. `children` may hold no asynchronous component. */
export function page(c: Context, options: PageOptions, children: Child): Response {
  const t = textsOf(c)
  const document = (
    <TextsProvider value={t}>
      <Document options={options} t={t}>
        {children}
      </Document>
    </TextsProvider>
  )
  // oxlint-disable-next-line typescript/no-base-to-string -- a JSX node renders itself by toString
  const html = document.toString()
  if (typeof html !== 'string') throw new TypeError('A page holds no asynchronous component.')
  setPageHeaders(c, options.live === undefined ? options : { ...options, script: LIVE })
  return c.html(`<!doctype html>${html}`, options.status ?? 200)
}
