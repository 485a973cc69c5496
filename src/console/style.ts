import { createHash } from 'node:crypto'

/** What the console needs besides the shared style: ways at the top, panels, figures, and tables that become lists where there is no room. */
export const STYLE = `
.desk .top { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.25rem; padding: .625rem 1.25rem; background: var(--card); border-bottom: 1px solid var(--line); }
.desk .top nav { flex: 1 1 30rem; display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.25rem; min-width: 0; }
.desk .ways { flex: 1 1 auto; display: flex; flex-wrap: wrap; gap: .125rem; list-style: none; }
.desk .ways a { display: inline-block; padding: .4375rem .5625rem; border-radius: 8px; color: var(--ink); font-size: .9375rem; text-decoration: none; }
.desk .ways a:hover { background: var(--info-ground); }
.desk .ways a[aria-current] { background: var(--info-ground); color: var(--act); font-weight: 650; }
.desk .who { display: flex; flex-wrap: wrap; align-items: center; gap: .375rem .75rem; font-size: .875rem; line-height: 1.3; }
.desk .who small { display: block; color: var(--soft); font-size: .8125rem; }
.desk main { max-width: 80rem; padding: 1.5rem 1.25rem 3rem; }
.desk main > .stack { gap: 1.25rem; grid-template-columns: minmax(0, 1fr); }
.panel { display: grid; gap: 1rem; align-content: start; min-width: 0; padding: 1.25rem 1.375rem; background: var(--card); border: 1px solid var(--line); border-radius: 14px; box-shadow: var(--shadow); }
.panel > * { min-width: 0; }
.pair { display: grid; align-items: start; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
.pair > * { min-width: 0; }
.figures { display: grid; gap: 1rem 1.5rem; grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); }
.figure { display: grid; gap: .125rem; align-content: start; }
.figure dt { color: var(--soft); font-size: .875rem; }
.figure dd { font-size: 1.75rem; line-height: 1.2; font-weight: 650; font-variant-numeric: tabular-nums; letter-spacing: -.01em; }
.figure dd.bad { color: var(--bad); }
.figure dd.warn { color: var(--warn); }
.figure dd.small { font-size: 1.0625rem; line-height: 1.65; letter-spacing: 0; }
.desk table { font-variant-numeric: tabular-nums; }
.desk th, .desk td { padding: .5625rem 1rem .5625rem 0; overflow-wrap: break-word; }
.desk th { white-space: nowrap; }
.desk th.end + th:not(.end), .desk td.end + td:not(.end) { padding-inline-start: .75rem; }
.desk tr:last-child > td { border-bottom: 0; }
.desk th.end, .desk td.end { text-align: end; }
.desk td .tag { margin: 0 .25rem .125rem 0; }
.desk td .small, .desk td code { overflow-wrap: anywhere; }
.tag.calm { background: var(--info-ground); color: var(--soft); }
.zero { color: var(--soft); }
.hurt { color: var(--bad); font-weight: 650; }
.pending { color: var(--warn); font-weight: 650; }
.chart > svg { display: block; width: 100%; max-width: 38rem; height: auto; }
.chart text { fill: var(--soft); font-size: 11px; }
.chart .grid { stroke: var(--line); }
.chart .one { fill: var(--act); stroke: var(--act); }
.chart .two { fill: var(--warn); stroke: var(--warn); }
.chart .high { stroke-dasharray: 5 4; }
.key { display: inline-block; width: .75rem; height: .75rem; margin-inline-end: .375rem; vertical-align: -.0625rem; }
.key .one { fill: var(--act); }
.key .two { fill: var(--warn); }
.search { display: grid; gap: .875rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 12rem), 1fr)); align-items: end; }
.search .button { justify-self: start; }
.desk .button.small { white-space: nowrap; }
.whole { white-space: nowrap; }
.live { display: flex; flex-wrap: wrap; gap: .25rem .75rem; align-items: center; color: var(--soft); font-size: .875rem; }
.narrow { max-width: 44rem; }
@media (max-width: 52rem) {
  .desk table, .desk tbody, .desk tr, .desk td { display: block; width: 100%; }
  .desk thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .desk tr { padding: .75rem 0; border-bottom: 1px solid var(--line); }
  .desk tbody > tr:last-child { border-bottom: 0; padding-bottom: 0; }
  .desk tbody > tr:first-child { padding-top: 0; }
  .desk td, .desk td.end { display: grid; grid-template-columns: minmax(6rem, 34%) 1fr; gap: .75rem; padding: .1875rem 0; border: 0; text-align: start; }
  .desk td.end + td:not(.end) { padding-inline-start: 0; }
  .desk td, .desk td .small { overflow-wrap: anywhere; }
  .whole { white-space: normal; }
  .desk td::before { content: attr(data-label); color: var(--soft); font-size: .875rem; }
  .desk td:empty { display: none; }
}
@media (max-width: 26rem) {
  .desk .top { padding: .625rem .875rem; }
  .desk main { padding: 1.125rem .875rem 2rem; }
  .panel { padding: 1rem; }
  .desk td .row > .button, .desk .who .button { width: auto; }
}
`

const hash = createHash('sha256').update(STYLE).digest('base64url').slice(0, 22)
export const SHEET = `/ops/assets/console.css?v=${hash}`
