/** The one style sheet: system fonts, light and dark by the reader's own setting, contrast of WCAG 2.2 AA at least, readable from 320 px. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #f3f4f6; --card: #ffffff; --ink: #1c2430; --soft: #515b6b; --line: #d5d9e0; --edge: #7a8494;
  --act: #0b5563; --act-over: #083f4a; --on-act: #ffffff; --focus: #0b5fff;
  --good: #14643a; --good-ground: #e8f5ed; --warn: #7a4b00; --warn-ground: #fdf3dc; --bad: #a01c1c; --bad-ground: #fdecec;
  --info-ground: #e9f1f4; --ms-ground: #ffffff; --ms-edge: #8c8c8c; --ms-ink: #5e5e5e; --ms-over: #f3f3f3;
  --shadow: 0 1px 2px rgb(16 24 40 / 6%), 0 8px 24px rgb(16 24 40 / 6%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #12161b; --card: #1a2027; --ink: #e9ecf0; --soft: #aab3c0; --line: #323b46; --edge: #7d8897;
    --act: #67c5d3; --act-over: #8ed7e2; --on-act: #06252b; --focus: #8ab4ff;
    --good: #79d3a0; --good-ground: #14291d; --warn: #f0c36d; --warn-ground: #2c2413; --bad: #ff9b94; --bad-ground: #341a1a;
    --info-ground: #18272d; --ms-ground: #2f2f2f; --ms-edge: #2f2f2f; --ms-ink: #ffffff; --ms-over: #3d3d3d;
    --shadow: none;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { font: 100%/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", sans-serif; -webkit-text-size-adjust: 100%; }
body { margin: 0; min-height: 100vh; min-height: 100dvh; display: flex; flex-direction: column; background: var(--ground); color: var(--ink); overflow-wrap: anywhere; }
h1, h2, h3, p, ul, ol, dl, dd, fieldset, figure { margin: 0; padding: 0; }
h1 { font-size: 1.5rem; line-height: 1.25; font-weight: 650; letter-spacing: -.01em; text-wrap: balance; }
h2 { font-size: 1.0625rem; line-height: 1.35; font-weight: 650; }
h3 { font-size: 1rem; font-weight: 650; }
a { color: var(--act); text-underline-offset: .18em; }
a:hover { color: var(--act-over); }
:focus-visible { outline: 3px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
code, kbd { font: .9em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { padding: .1em .35em; border-radius: 4px; background: var(--info-ground); }
pre { margin: 0; padding: .875rem 1rem; border-radius: 8px; background: var(--info-ground); overflow-x: auto; overflow-wrap: normal; }
pre code { padding: 0; background: none; }
hr { margin: 0; border: 0; border-top: 1px solid var(--line); }
.skip { position: absolute; left: .5rem; top: -4rem; padding: .5rem .75rem; background: var(--card); z-index: 1; }
.skip:focus { top: .5rem; }
.banner { padding: .5rem 1rem; background: var(--warn-ground); color: var(--warn); font-size: .875rem; text-align: center; border-bottom: 1px solid var(--line); }
.top { padding: 1.5rem 1rem 0; }
.brand { display: flex; align-items: center; justify-content: center; gap: .6rem; font-weight: 650; font-size: 1.0625rem; color: var(--ink); }
.brand svg { color: var(--act); flex: none; }
.brand .tick { stroke: var(--on-act); }
main { flex: 1; width: 100%; max-width: 30rem; margin: 0 auto; padding: 1.25rem 1rem 2rem; }
main.wide { max-width: 52rem; }
.card { display: grid; gap: 1.125rem; padding: 1.75rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow); }
.card > *, .stack > *, form.stack > * { min-width: 0; }
.stack { display: grid; gap: 1rem; }
.tight { display: grid; gap: .375rem; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
.row.apart { justify-content: space-between; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.foot { padding: 0 1rem 1.5rem; color: var(--soft); font-size: .8125rem; text-align: center; }
.button { display: inline-flex; align-items: center; justify-content: center; min-height: 2.75rem; padding: .5rem 1.125rem; border: 1px solid var(--act); border-radius: 8px; background: var(--act); color: var(--on-act); font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer; }
.button:hover { background: var(--act-over); border-color: var(--act-over); color: var(--on-act); }
.button.quiet { background: transparent; border-color: var(--edge); color: var(--ink); }
.button.quiet:hover { background: var(--info-ground); border-color: var(--act); color: var(--ink); }
.button.danger { background: transparent; border-color: var(--bad); color: var(--bad); }
.button.danger:hover { background: var(--bad-ground); color: var(--bad); }
.button.small { min-height: 2.25rem; padding: .25rem .75rem; font-size: .875rem; }
.button.block { width: 100%; }
.microsoft { display: inline-flex; align-items: center; justify-content: center; gap: 12px; min-height: 41px; width: 100%; padding: 9px 12px; border: 1px solid var(--ms-edge); border-radius: 0; background: var(--ms-ground); color: var(--ms-ink); font: 600 15px/1.4 "Segoe UI", system-ui, -apple-system, Roboto, sans-serif; text-decoration: none; cursor: pointer; }
.microsoft:hover { background: var(--ms-over); color: var(--ms-ink); }
.microsoft svg { flex: none; }
.notice { display: grid; gap: .25rem; padding: .875rem 1rem; border-radius: 10px; border-inline-start: 4px solid var(--act); background: var(--info-ground); }
.notice.good { border-color: var(--good); background: var(--good-ground); }
.notice.warn { border-color: var(--warn); background: var(--warn-ground); }
.notice.bad { border-color: var(--bad); background: var(--bad-ground); }
.facts { display: grid; grid-template-columns: minmax(6.5rem, auto) 1fr; gap: .375rem 1rem; font-size: .9375rem; }
.facts dt { color: var(--soft); }
fieldset { border: 0; min-width: 0; display: grid; gap: .625rem; }
legend { padding: 0; margin-bottom: .625rem; font-weight: 650; }
.choice { display: grid; grid-template-columns: auto 1fr; gap: .125rem .75rem; align-items: start; padding: .8125rem .9375rem; border: 1px solid var(--edge); border-radius: 10px; cursor: pointer; }
.choice:hover { border-color: var(--act); }
.choice:has(input:checked) { border-color: var(--act); box-shadow: inset 0 0 0 1px var(--act); background: var(--info-ground); }
.choice:has(input:focus-visible) { outline: 3px solid var(--focus); outline-offset: 2px; }
.choice input { margin: .25rem 0 0; width: 1.0625rem; height: 1.0625rem; accent-color: var(--act); outline: none; }
.choice .hint { grid-column: 2; color: var(--soft); font-size: .875rem; line-height: 1.45; }
.field { display: grid; gap: .375rem; }
.field label { font-weight: 600; }
.field input, .field select, .field textarea { width: 100%; min-height: 2.75rem; padding: .5rem .75rem; border: 1px solid var(--edge); border-radius: 8px; background: var(--card); color: var(--ink); font: inherit; }
.list { list-style: none; display: grid; gap: .75rem; }
.list > li { min-width: 0; }
.rows { list-style: none; display: grid; }
.rows > li { display: grid; gap: .5rem; padding: 1rem 0; border-top: 1px solid var(--line); }
.rows > li:first-child { border-top: 0; padding-top: 0; }
.rows > li:last-child { padding-bottom: 0; }
.plain { list-style: none; }
.bullets { padding-inline-start: 1.25rem; display: grid; gap: .25rem; }
.steps { list-style: none; counter-reset: step; display: grid; gap: 1rem; }
.steps > li { counter-increment: step; display: grid; grid-template-columns: 1.75rem 1fr; gap: .25rem .75rem; }
.steps > li > * { grid-column: 2; min-width: 0; }
.steps > li::before { content: counter(step); grid-row: 1; grid-column: 1; display: grid; place-items: center; width: 1.75rem; height: 1.75rem; border-radius: 50%; background: var(--info-ground); color: var(--act); font-weight: 650; font-size: .875rem; }
.answer { display: grid; grid-template-columns: 1.75rem 1fr; gap: .25rem .75rem; }
.answer > * { grid-column: 2; min-width: 0; }
.answer > .mark { grid-column: 1; grid-row: 1; display: grid; place-items: center; width: 1.75rem; height: 1.75rem; border-radius: 50%; background: var(--info-ground); color: var(--soft); }
.answer.yes > .mark { background: var(--good-ground); color: var(--good); }
.answer.no > .mark { background: var(--bad-ground); color: var(--bad); }
.tag { display: inline-block; padding: .0625rem .5rem; border-radius: 999px; background: var(--good-ground); color: var(--good); font-size: .8125rem; font-weight: 600; white-space: nowrap; }
.tag.wait { background: var(--warn-ground); color: var(--warn); }
.tag.bad { background: var(--bad-ground); color: var(--bad); }
table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
th, td { padding: .5rem .75rem .5rem 0; text-align: start; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
.scroll { overflow-x: auto; }
@media (max-width: 26rem) {
  .card { padding: 1.25rem 1.125rem; border-radius: 12px; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .5rem; }
  .row > .button { width: 100%; }
}
@media (prefers-reduced-motion: no-preference) { .button, .choice, .microsoft { transition: background-color .12s, border-color .12s; } }
@media (forced-colors: active) { .choice:has(input:checked) { outline: 2px solid; } }
@media print { body { background: none; } .card { border: 0; box-shadow: none; } }
`
