import { CryptoProvider } from '@azure/msal-node'
import { describe, expect, test } from 'vitest'
import type { Entra } from '../../demo/entra/entra.ts'
import { CONTOSO, FABRIKAM } from '../../demo/entra/users.ts'
import { createLog } from '../../src/runtime/log.ts'
import {
  MicrosoftRejection,
  type Microsoft,
  type MicrosoftIdentity,
  type StartSignIn,
} from '../../src/microsoft/interface.ts'
import { createMicrosoft } from '../../src/microsoft/microsoft.ts'
import { brokerSettings, Browser, entra, LOGOUT_RETURN } from './relying-party.ts'

/**
 * The broker's own Microsoft module against the simulator: the two were written apart, from the
 * same page of facts.
 */

function connect(at: Entra, tenants: string[] = [CONTOSO.tid]): Microsoft {
  const config = { issuer: 'http://localhost:7400', entra: brokerSettings(at, tenants) }
  return createMicrosoft({ config, clock: at.world.clock, log: createLog(() => {}, Date.now) })
}

async function signIn(
  at: Entra,
  microsoft: Microsoft,
  upn: string,
  extra: Partial<StartSignIn> = {},
  staySignedIn = false,
): Promise<MicrosoftIdentity> {
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes()
  const url = await microsoft.authorizeUrl({
    state: 's',
    nonce: 'n',
    codeChallenge: challenge,
    authContext: 'c1',
    ...extra,
  })
  const page = await new Browser().signIn(url, upn, { staySignedIn })
  const code = page.left?.searchParams.get('code')
  if (!code) throw new Error(page.left?.searchParams.get('error_description') ?? page.html)
  return microsoft.redeemCode({
    code,
    codeVerifier: verifier,
    nonce: 'n',
    now: at.world.clock.now(),
  })
}

const EFFECTS = {
  subject: [50173, 50057],
  session: [50034, 50020, 50105],
  mark: [700082, 70008, 50055, 70043, 50076, 50079, 50053],
  nothing: [53003, 65001, 700016, 7000112, 7000215, 7000222, 700027, 50196],
}

async function rejected(trying: Promise<unknown>): Promise<MicrosoftRejection> {
  const error: unknown = await trying.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toBeInstanceOf(MicrosoftRejection)
  return error as MicrosoftRejection
}

describe('the broker at the simulator', () => {
  test('one tenant: a user with what Microsoft proved', async () => {
    const at = await entra()
    const identity = await signIn(
      at,
      connect(at),
      'alice@contoso.example',
      { prompt: 'select_account' },
      true,
    )
    expect(identity).toMatchObject({
      user: { tid: CONTOSO.tid, oid: '00000000-0000-4000-8000-00000000a11c', name: 'Alice Adams' },
      acrs: ['c1'],
      amr: undefined,
      roles: ['CaseManager.User'],
      staySignedIn: true,
      sid: expect.any(String),
      loginHint: expect.any(String),
      authTime: expect.any(Number),
    })
  })

  test('several tenants: at organizations each is judged by its own issuer and keys', async () => {
    const at = await entra()
    const microsoft = connect(at, [CONTOSO.tid, FABRIKAM.tid])
    expect((await signIn(at, microsoft, 'faye@fabrikam.example')).user.tid).toBe(FABRIKAM.tid)
    expect((await signIn(at, microsoft, 'adam@contoso.example')).directoryRoles).toEqual([
      '62e90394-69f5-4237-9190-012177145e10',
    ])
    for (const { tid } of [CONTOSO, FABRIKAM])
      expect(await microsoft.examine(tid)).toMatchObject({
        metadata: { ok: true },
        authorize: { ok: true },
        credential: { ok: true },
      })
  })

  test('each rejection in the simulator’s words means to the broker what the table of errors says', async () => {
    const at = await entra()
    const microsoft = connect(at)
    for (const [effect, codes] of Object.entries(EFFECTS)) {
      for (const code of codes) {
        at.set({ tokenErrors: { code, times: 1 } })
        const rejection = await rejected(signIn(at, microsoft, 'alice@contoso.example'))
        expect([code, rejection.effect]).toEqual([code, effect])
      }
    }
  })

  test('its logout address leads back to the broker', async () => {
    const at = await entra()
    const microsoft = connect(at)
    const { loginHint } = await signIn(at, microsoft, 'alice@contoso.example')
    const page = await new Browser().get(
      await microsoft.logoutUrl({ tid: CONTOSO.tid, logoutHint: loginHint }),
    )
    expect(page.left?.href).toBe(LOGOUT_RETURN)
  })
})
