import type { Context } from 'hono'
import { raw } from 'hono/html'
import type { Child } from 'hono/jsx'
import { createHash } from 'node:crypto'

/**
 * The frame of every page: a card, with the word "Simulated" in a prominent place. It uses no asset
 * of Microsoft's.
 */

const STYLE = `
:root { color-scheme: light dark; --ink: #1b1a19; --soft: #605e5c; --line: #8a8886; --blue: #005a9e; --deep: #004578; --on-blue: #fff; --bad: #a4262c;
  --card: #fff; --over: #f3f2f1; --rule: #edebe9; --button: #e1dfdd; --button-over: #cfcdcb; --ground: linear-gradient(160deg, #eef3f9 0%, #dfe9f5 45%, #f3eef7 100%); }
@media (prefers-color-scheme: dark) { :root { --ink: #f3f2f1; --soft: #c8c6c4; --blue: #6cb8f6; --deep: #98cdf9; --on-blue: #10202e; --bad: #f1949a;
  --card: #292827; --over: #3b3a39; --rule: #484644; --button: #484644; --button-over: #605e5c; --ground: #1b1a19; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: flex; flex-direction: column; font: 15px/1.45 'Segoe UI', system-ui, sans-serif; color: var(--ink);
  background: var(--ground); }
main { flex: 1; display: flex; flex-wrap: wrap; gap: 20px; align-items: center; justify-content: center; padding: 24px 12px; }
.card { width: 100%; max-width: 440px; background: var(--card); padding: 36px 40px; box-shadow: 0 2px 8px rgb(0 0 0 / 18%); border-radius: 2px; }
.card.wide { max-width: 1100px; }
.mark { display: flex; align-items: center; gap: 8px; font-weight: 600; color: var(--soft); margin-bottom: 18px; }
.mark span { border: 1px dashed var(--line); border-radius: 10px; padding: 0 8px; font-size: 12px; font-weight: 400; }
table + h1, .scroll + h1 { margin-top: 30px; }
h1 { font-size: 24px; line-height: 1.25; margin: 0 0 14px; font-weight: 600; }
p { margin: 0 0 14px; } .soft { color: var(--soft); font-size: 13px; } .who { margin-bottom: 8px; }
label { display: block; margin-bottom: 6px; }
input[type=text], input[type=email], input[type=password] { width: 100%; font: inherit; padding: 8px 2px; border: 0; border-bottom: 1px solid var(--line); margin-bottom: 20px; background: transparent; color: var(--ink); } a { color: var(--blue); }
:focus-visible { outline: 2px solid var(--blue); outline-offset: 2px; }
/* The first button of a form is the one that Enter presses, so the answer that goes on comes first and is shown last. */
.actions { display: flex; flex-direction: row-reverse; justify-content: flex-start; gap: 8px; margin-top: 20px; flex-wrap: wrap; }
button, .button { font: inherit; min-width: 108px; padding: 7px 14px; border: 1px solid transparent; background: var(--button); color: var(--ink); cursor: pointer; text-decoration: none; text-align: center; }
button:hover, .button:hover { background: var(--button-over); }
.primary { background: var(--blue); color: var(--on-blue); } .primary:hover { background: var(--deep); }
.tile { display: block; width: 100%; text-align: left; background: var(--card); border-bottom: 1px solid var(--rule); padding: 12px 8px; }
.tile:hover { background: var(--over); } .tile small { display: block; color: var(--soft); }
.problem { color: var(--bad); }
.number { font-size: 56px; font-weight: 600; text-align: center; letter-spacing: 4px; margin: 8px 0 18px; }
.phone { width: 250px; background: #201f1e; color: #fff; border-radius: 28px; padding: 26px 20px; box-shadow: 0 4px 14px rgb(0 0 0 / 30%); }
.phone h2 { font-size: 17px; margin: 0 0 8px; } .phone p { font-size: 13px; color: #d2d0ce; }
.phone button { display: block; width: 100%; margin-top: 10px; border-radius: 20px; padding: 10px; font-size: 18px; background: #3b3a39; color: #fff; }
.phone button:hover { background: #4f4d4b; } .phone .no { font-size: 14px; background: none; border-color: #8a8886; }
footer { text-align: center; padding: 12px; font-size: 13px; color: var(--soft); }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: 8px 6px; border-bottom: 1px solid var(--rule); vertical-align: top; }
td form { display: flex; flex-wrap: wrap; gap: 5px; min-width: 190px; } td button { min-width: 0; padding: 3px 9px; font-size: 13px; }
.scroll { overflow-x: auto; } .frames { display: none; } code { font-size: 13px; overflow-wrap: anywhere; }
@media (max-width: 480px) { .card { padding: 24px 20px; } }
@media (max-width: 760px) {
  thead { display: none; } table, tbody, tr, td { display: block; }
  tr { padding: 12px 0; border-bottom: 1px solid #edebe9; } td { padding: 2px 0; border: 0; } td form { margin-top: 6px; }
}
`

interface PageOptions {
  title: string
  wide?: boolean
  /** Content beside the card. */
  aside?: Child
  /** A script of the page, allowed by its hash. */
  script?: string
  /** Addresses that may be shown in frames of this page. */
  frames?: string[]
  refresh?: { seconds: number; url: string }
}

const hashOf = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`
const STYLE_HASH = hashOf(STYLE)

export function render(
  c: Context,
  options: PageOptions,
  body: Child,
  status: 200 | 400 | 401 | 403 | 404 | 429 | 503 = 200,
): Response | Promise<Response> {
  const frames = options.frames?.length
    ? `frame-src ${options.frames.map((frame) => new URL(frame).origin).join(' ')}; `
    : ''
  c.header(
    'Content-Security-Policy',
    `default-src 'none'; style-src ${STYLE_HASH}; ${options.script ? `script-src ${hashOf(options.script)}; ` : ''}${frames}base-uri 'none'; frame-ancestors 'none'`,
  )
  c.header('Cache-Control', 'no-store')
  c.header('Referrer-Policy', 'strict-origin-when-cross-origin')
  c.header('X-Content-Type-Options', 'nosniff')
  return c.html(
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        {options.refresh ? (
          <meta
            http-equiv="refresh"
            content={`${options.refresh.seconds};url=${options.refresh.url}`}
          />
        ) : null}
        <title>{options.title} · Simulated Microsoft</title>
        <style>{raw(STYLE)}</style>
      </head>
      <body>
        <main>
          <div class={options.wide ? 'card wide' : 'card'}>
            <div class="mark">
              Simulated Microsoft <span>not the real one</span>
            </div>
            {body}
          </div>
          {options.aside ?? null}
        </main>
        <footer>
          A simulation of Microsoft Entra ID for trying Case Manager. Nothing here reaches
          Microsoft.
        </footer>
        {options.script ? <script>{raw(options.script)}</script> : null}
      </body>
    </html>,
    status,
  )
}
