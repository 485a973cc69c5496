import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { appManifest, azureCliScript } from '../../src/microsoft/registration.ts'

const ISSUER = 'https://login.case-manager.example'

/** Stands for the Azure CLI: writes down what it is asked, and answers as it would. */
const AZ = `#!/bin/sh
for word in "$@"; do printf '%s\\n' "$word"; done >> "$CALLS"
echo -- >> "$CALLS"
case "$*" in
  *v1.0/applications*) echo app-1 ;;
  *servicePrincipals*) echo sp-1 ;;
  *signed-in-user*) echo me-1 ;;
  *'account show'*) echo tenant-1 ;;
  *'credential reset'*) echo secret-1 ;;
esac
`

test('the script for the Azure CLI runs, sends JSON that says what the page says, and prints the three values that /setup asks for', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cmb-az-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(join(dir, 'az'), AZ, { mode: 0o755 })
  const calls = join(dir, 'calls')
  const script = azureCliScript(ISSUER, 'https://login.microsoftonline.com')
  const ran = spawnSync('/bin/sh', ['-c', script], {
    cwd: dir,
    encoding: 'utf8',
    env: { PATH: `${dir}:/usr/bin:/bin`, CALLS: calls },
  })
  expect([ran.status, ran.stderr]).toEqual([0, ''])
  expect(ran.stdout.split('\n').map((line) => line.trim())).toEqual([
    expect.stringMatching(/tenant-1$/) as string,
    expect.stringMatching(/app-1$/) as string,
    expect.stringMatching(/secret-1$/) as string,
    '',
  ])
  expect(JSON.parse(readFileSync(join(dir, 'case-manager-app.json'), 'utf8'))).toEqual(
    appManifest(ISSUER),
  )
  const asked = readFileSync(calls, 'utf8')
    .split('\n--\n')
    .map((call) => call.split('\n'))
  const bodies = asked.flatMap((words) => {
    const body = words[words.indexOf('--body') + 1] ?? ''
    return words.includes('--body') && !body.startsWith('@')
      ? [JSON.parse(body) as Record<string, unknown>]
      : []
  })
  const roles = (appManifest(ISSUER).appRoles as { id: string; value: string }[]).filter((role) =>
    ['CaseManager.User', 'Broker.Administrator'].includes(role.value),
  )
  expect(bodies).toEqual([
    { appId: 'app-1', appRoleAssignmentRequired: true },
    ...roles.map(({ id }) => ({ principalId: 'me-1', resourceId: 'sp-1', appRoleId: id })),
  ])
})

test('other clouds have another Graph', () => {
  expect(azureCliScript(ISSUER, 'https://login.microsoftonline.us')).toContain(
    'https://graph.microsoft.us/v1.0/applications',
  )
  expect(azureCliScript(ISSUER, 'https://login.partner.microsoftonline.cn')).not.toContain(
    'graph.microsoft.com',
  )
})
