/** The instance's own style sheet and its only script. */

export const STYLE = `
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #fff; --ink: #18202b; --soft: #566172; --line: #dde2e9; --act: #14532d; --on-act: #fff; --tint: #e8f3ec;
  --good: #17683c; --warn: #7d4c00; --info: #1a4f8b; --shadow: 0 1px 2px rgb(15 23 42 / 7%), 0 10px 30px rgb(15 23 42 / 6%); }
body.sydney { --act: #0a5a83; --tint: #e4f1f8; } body.melbourne { --act: #7b2d5b; --tint: #f8e9f1; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #11161c; --card: #19202a; --ink: #e8ecf1; --soft: #a5b0bf; --line: #2e3947; --act: #7fd0a0; --on-act: #08210f; --tint: #17281f;
    --good: #7ed7a4; --warn: #f0c26a; --info: #8dbdf5; --shadow: none; }
  body.sydney { --act: #74c4ec; --on-act: #04222f; --tint: #12293a; } body.melbourne { --act: #eea5cd; --on-act: #340b24; --tint: #301a28; }
}
*, *::before, *::after { box-sizing: border-box; }
html { font: 100%/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
body { margin: 0; min-height: 100vh; background: var(--ground); color: var(--ink); }
h1, h2, p, ul, table { margin: 0; }
a { color: var(--act); text-underline-offset: .2em; }
h1:focus { outline: none; }
:focus-visible { outline: 3px solid var(--act); outline-offset: 2px; border-radius: 6px; }
.bar { background: var(--card); border-bottom: 1px solid var(--line); border-top: 4px solid var(--act); }
.bar > div { max-width: 60rem; margin: 0 auto; padding: .85rem 1.25rem; display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: center; }
.mark { display: flex; align-items: center; gap: .6rem; font-weight: 680; font-size: 1.05rem; color: var(--ink); text-decoration: none; margin-right: auto; }
.mark span { display: grid; place-items: center; width: 2rem; height: 2rem; border-radius: .55rem; background: var(--act); color: var(--on-act); font-size: .68rem; letter-spacing: .02em; }
.who { text-align: right; line-height: 1.25; } .who small { color: var(--soft); display: block; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; display: grid; gap: 1.25rem; }
main.narrow { max-width: 34rem; padding-top: 12vh; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 1rem; box-shadow: var(--shadow); padding: 1.5rem; display: grid; gap: 1rem; }
.card.big { padding: 2.25rem 2rem; text-align: center; justify-items: center; }
h1 { font-size: 1.6rem; letter-spacing: -.015em; line-height: 1.2; text-wrap: balance; }
.head { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: baseline; justify-content: space-between; }
.soft { color: var(--soft); } .small { font-size: .875rem; }
.card.big .row { justify-content: center; } .row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; } .row form { margin: 0; }
.button { display: inline-flex; align-items: center; min-height: 2.6rem; padding: .45rem 1.1rem; border: 1px solid var(--act); border-radius: .6rem; background: var(--act); color: var(--on-act);
  font: inherit; font-weight: 620; text-decoration: none; cursor: pointer; }
.button.quiet { background: transparent; color: var(--ink); border-color: var(--line); } .button.quiet:hover { background: var(--tint); border-color: var(--act); }
.microsoft { display: inline-flex; align-items: center; gap: .75rem; min-height: 2.6rem; padding: 0 .75rem; border: 1px solid #8c8c8c; background: #fff; color: #5e5e5e; font: 600 .95rem/1.2 'Segoe UI', system-ui, sans-serif; text-decoration: none; }
.why:empty, #live:empty { display: none !important; }
.scroll { overflow-x: auto; } caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } table { width: 100%; border-collapse: collapse; } th { text-align: left; font-size: .8rem; color: var(--soft); font-weight: 600; }
th, td { padding: .7rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; } tbody tr:last-child td { border-bottom: 0; } tbody tr:hover { background: var(--tint); }
td:first-child { font-variant-numeric: tabular-nums; white-space: nowrap; color: var(--soft); } td:last-child { white-space: nowrap; color: var(--soft); }
.status { font-size: .8rem; font-weight: 620; white-space: nowrap; } .status::before { content: "●"; margin-right: .4em; }
.status.new { color: var(--info); } .status.in-progress { color: var(--good); } .status.waiting { color: var(--warn); } .status.closed { color: var(--soft); }
#live { display: inline-flex; align-items: center; gap: .5em; } #live::before { content: ""; width: .6em; height: .6em; border-radius: 50%; background: var(--soft); }
#live.on::before { background: var(--good); }
@media (prefers-reduced-motion: no-preference) { #live.on::before { animation: beat 2.4s ease-in-out infinite; } @keyframes beat { 50% { opacity: .35; } } .arrive { animation: arrive .25s ease-out; } @keyframes arrive { from { transform: translateY(6px); } } }
@media (max-width: 34rem) { .card.scroll { padding: .5rem; } th:last-child, td:last-child { display: none; } th, td { padding-inline: .35rem; } }
`

/**
 * When the instance reports that the session has ended, the script removes the session's data from
 * the page.
 */
export const SCRIPT = `
const live = document.getElementById('live')
const template = document.getElementById('ended')
let source
function end(why) {
  source?.close()
  if (document.body.dataset.ended) return
  document.body.dataset.ended = 'yes'
  document.getElementById('page').replaceChildren(template.content.cloneNode(true))
  document.querySelector('.why').textContent = why ?? ''
  document.title = 'You have been signed out'
  document.querySelector('h1').focus()
}
async function look() {
  const response = await fetch('/api/session', { cache: 'no-store' }).catch(() => undefined)
  if (response?.status === 401) end((await response.json()).why)
}
function listen() {
  source = new EventSource('/events')
  source.onopen = () => { live.textContent = 'Live: always up to date'; live.classList.add('on') }
  source.addEventListener('ended', ({ data }) => end(JSON.parse(data).why))
  source.onerror = () => {
    live.textContent = 'Connecting again'
    live.classList.remove('on')
    look()
    if (source.readyState === EventSource.CLOSED && !document.body.dataset.ended) setTimeout(listen, 2000)
  }
}
if (live) {
  live.textContent = 'Connecting'
  listen()
  addEventListener('pageshow', (event) => { if (event.persisted) look() })
  addEventListener('online', look)
  document.addEventListener('visibilitychange', () => { if (!document.hidden) look() })
}
`
