// Runs plans of the official OpenID Foundation conformance suite against the broker, a person's
// part done in a real Chromium. node run.mjs CONFIG.json OUT.json PLAN [VARIANT_JSON]
// [only,these,modules] (README.md says which) Env: BEFORE_START (a command between a module's
// configuration and its start), SUITE (https://localhost.emobix.co.uk:8443), UPN, PASSWORD, SHOTS
// (a folder for what each placeholder was given), DEMO_PORT_BASE (as the demo has it).
import fs from 'node:fs'
import path from 'node:path'
import { execSync } from 'node:child_process'
import { chromium } from 'playwright-core'
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
process.emitWarning = () => {}
const [configFile, outFile, planName, variantJson = '{}', only] = process.argv.slice(2)
const SUITE = process.env.SUITE ?? 'https://localhost.emobix.co.uk:8443',
  USER = {
    upn: process.env.UPN ?? 'alice@contoso.example',
    password: process.env.PASSWORD ?? 'alice-demo',
    consents: true,
  },
  // Another user, because the broker keeps what a user has consented to.
  REJECTING_USER = { upn: 'bob@contoso.example', password: 'bob-demo', consents: false },
  SHOTS = process.env.SHOTS,
  BEFORE_START = process.env.BEFORE_START,
  MICROSOFT = `localhost:${Number(process.env.DEMO_PORT_BASE || 7400) + 2}`
const config = JSON.parse(fs.readFileSync(configFile, 'utf8')),
  suiteHost = new URL(SUITE).host
const sleep = (ms) => new Promise((r) => setTimeout(r, ms))
async function api(method, p, body, type = 'application/json') {
  const r = await fetch(SUITE + p, {
    method,
    headers: body === undefined ? {} : { 'content-type': type },
    body,
  })
  const t = await r.text()
  if (!r.ok) throw new Error(`${method} ${p}: ${r.status} ${t.slice(0, 300)}`)
  return t ? JSON.parse(t) : undefined
}
const q = (o) => new URLSearchParams(o).toString()

/** Does one page of the user's part; false where there is nothing to press. */
async function step(page, seen, user) {
  const has = async (sel) =>
    await page
      .locator(sel)
      .first()
      .isVisible()
      .catch(() => false)
  const leave = async (act) => {
    await Promise.all([page.waitForNavigation({ timeout: 15_000 }).catch(() => {}), act()])
    return true
  }
  if (await has('input[name=loginfmt]')) {
    seen.push('Microsoft: address')
    await page.fill('input[name=loginfmt]', user.upn)
    return leave(() =>
      page.locator('button.primary, button[type=submit], form button').first().click(),
    )
  }
  if (await has('input[name=passwd]')) {
    seen.push('Microsoft: password')
    await page.fill('input[name=passwd]', user.password)
    return leave(() => page.keyboard.press('Enter'))
  }
  if (await has('button[name=number]')) {
    seen.push('Microsoft: MFA')
    const outside = await page.evaluate(() => {
      const d = document.body.cloneNode(true)
      d.querySelectorAll('aside,header,footer').forEach((x) => x.remove())
      return d.innerText ?? d.textContent
    })
    const n = (outside.match(/\b\d{2}\b/) ?? [])[0]
    return leave(() => page.click(`button[name=number][value="${n}"]`))
  }
  if (await has('button[name=kmsi]')) {
    seen.push('Microsoft: stay signed in')
    return leave(() => page.click('button[name=kmsi][value=yes]'))
  }
  if (await has('button[name=consent].primary')) {
    seen.push('Microsoft: consent')
    return leave(() => page.click('button[name=consent].primary'))
  }
  const tile = `button.tile[name=account][value="${user.upn}"]`
  if (await has(tile)) {
    seen.push('Microsoft: pick an account')
    return leave(() => page.click(tile))
  }
  if (!user.consents && (await has('button[name=decision][value=deny]'))) {
    seen.push('broker: deny')
    return leave(() => page.click('button[name=decision][value=deny]'))
  }
  if (await has('form[action="/logout/confirm"]')) {
    seen.push('broker: sign out of what')
    await page.check('input[name=scope][value=device]')
    return leave(() => page.locator('form[action="/logout/confirm"] button').first().click())
  }
  for (const name of [
    /sign in with microsoft/i,
    /^continue$/i,
    /^sign in$/i,
    /^sign out$/i,
    /^(go on|allow|accept|yes)\b/i,
  ]) {
    for (const role of ['button', 'link']) {
      const b = page.getByRole(role, { name }).first()
      if (await b.isVisible().catch(() => false)) {
        seen.push('broker: ' + (await b.innerText()))
        return leave(() => b.click())
      }
    }
  }
  return false
}

async function shot(page, id, label) {
  const png = await page.screenshot({ type: 'png' })
  if (SHOTS) {
    fs.mkdirSync(SHOTS, { recursive: true })
    fs.writeFileSync(path.join(SHOTS, `${label}-${id}.png`), png)
  }
  return 'data:image/png;base64,' + png.toString('base64')
}
const placeholders = async (id) =>
  (await api('GET', `/api/log/${id}`))
    .filter((e) => e.upload)
    .map((e) => ({ placeholder: e.upload, asked: e.msg }))

async function runModule(planId, m, browser) {
  const started = Date.now(),
    { id } = await api(
      'POST',
      '/api/runner?' +
        q({ test: m.testModule, plan: planId, variant: JSON.stringify(m.variant ?? {}) }),
      '',
    )
  const context = await browser.newContext({ ignoreHTTPSErrors: true }),
    seen = [],
    filled = new Set(),
    user = m.testModule.endsWith('user-rejects-authentication') ? REJECTING_USER : USER
  let info,
    idle = 0,
    // The suite opens the page twice there, and wants a sign-in at the second time alone.
    onlyOpens = m.testModule.includes('reused-request-uri-prior-to-auth-completion'),
    note = ''
  const page = await context.newPage()
  const fill = async () => {
    for (const p of await placeholders(id))
      if (!filled.has(p.placeholder)) {
        filled.add(p.placeholder)
        await api(
          'POST',
          `/api/log/${id}/images/${p.placeholder}`,
          await shot(page, id, m.testModule),
          'text/plain',
        )
        seen.push('screenshot: ' + p.asked.slice(0, 90))
      }
  }
  try {
    for (;;) {
      info = await api('GET', `/api/info/${id}`)
      if (['FINISHED', 'INTERRUPTED'].includes(info.status)) break
      if (Date.now() - started > 240_000) {
        note = `gave up in ${info.status}`
        await api('DELETE', `/api/runner/${id}`).catch(() => {})
        break
      }
      if (info.status === 'CONFIGURED') {
        if (BEFORE_START) execSync(BEFORE_START, { stdio: 'inherit' })
        await api('POST', `/api/runner/${id}`, '')
        await sleep(300)
        continue
      }
      const b = (await api('GET', `/api/runner/${id}`).catch(() => ({}))).browser ?? {}
      const url = b.urls?.[0]
      if (!url) {
        if (info.status === 'WAITING' && ++idle > 6) await fill()
        await sleep(400)
        continue
      }
      idle = 0
      await api('POST', `/api/runner/browser/${id}/visit?` + q({ url }), '')
      seen.push('— opens ' + new URL(url).pathname)
      await page
        .goto(url, { waitUntil: 'load', timeout: 30_000 })
        .catch((e) => seen.push('goto: ' + e.message.split('\n')[0]))
      if (onlyOpens) {
        onlyOpens = false
        continue
      }
      // A picture of Microsoft's page shows a second sign-in. Elsewhere it would stand for an error.
      let first = /prompt-login|max-age-1$/.test(m.testModule)
      for (let i = 0; i < 25; i++) {
        await page.waitForLoadState('load').catch(() => {})
        if (new URL(page.url()).host === suiteHost) {
          await page.waitForLoadState('networkidle', { timeout: 5000 }).catch(() => {})
          break
        }
        if (first && new URL(page.url()).host === MICROSOFT) {
          first = false
          await fill()
        }
        if (!(await step(page, seen, user))) {
          seen.push(`stays at ${new URL(page.url()).pathname}: ${await page.title()}`)
          await fill()
          break
        }
      }
    }
  } catch (e) {
    note = String(e).slice(0, 300)
  } finally {
    await context.close()
  }
  const log = await api('GET', `/api/log/${id}`).catch(() => []),
    problems = log
      .filter((e) => ['FAILURE', 'WARNING', 'INTERRUPTED'].includes(e.result))
      .map((e) => ({ result: e.result, src: e.src, msg: e.msg, requirements: e.requirements }))
  info = await api('GET', `/api/info/${id}`).catch(() => info)
  return {
    module: m.testModule,
    variant: m.variant,
    id,
    status: info?.status,
    result: info?.result,
    seconds: +((Date.now() - started) / 1000).toFixed(1),
    conditions: log.filter((e) => e.result === 'SUCCESS').length,
    problems,
    seen,
    note: note || undefined,
  }
}

const plan = await api(
  'POST',
  '/api/plan?' + q({ planName, variant: variantJson }),
  JSON.stringify(config),
)
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
})
const results = []
for (const m of plan.modules.filter((m) => !only || only.split(',').includes(m.testModule))) {
  const r = await runModule(plan.id, m, browser)
  results.push(r)
  console.log(
    `${(r.result ?? r.status).padEnd(8)} ${r.module} ${r.seconds}s ${r.conditions} ok${r.note ? ' · ' + r.note : ''}`,
  )
  for (const p of r.problems)
    console.log(`         ${p.result} ${p.src}: ${String(p.msg).slice(0, 220)}`)
}
await browser.close()
fs.writeFileSync(
  outFile,
  JSON.stringify({ planName, variant: JSON.parse(variantJson), results }, null, 1),
)
const count = {}
for (const r of results) count[r.result ?? r.status] = (count[r.result ?? r.status] ?? 0) + 1
console.log(planName, count)
