import type { AddressInfo, LookupFunction } from 'node:net'
import { createServer } from 'node:https'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createChecks } from '../../src/operations/checks/checks.ts'
import { certificateChecks } from '../../src/operations/checks/certificates.ts'
import { createOutbound } from '../../src/runtime/outbound.ts'
import { newCertificate } from '../demo-entra/certificate.ts'
import { createRig } from '../rig.ts'

/**
 * The checks of certificates, against real TLS servers whose certificates are valid for 30 days.
 */

const DAY = 86_400
const inDays = (days: number, host: string) =>
  newCertificate(new Date(Date.now() + days * DAY * 1000), host)

/** Starts a TLS server. Returns its port. */
async function tlsServer({
  certificate: cert,
  privateKey: key,
}: ReturnType<typeof newCertificate>): Promise<number> {
  const server = createServer(
    { key, cert },
    (_request, response) => void response.writeHead(405).end(),
  )
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const here = ((_host, _options, done) =>
  done(null, [{ address: '127.0.0.1', family: 4 }])) as LookupFunction

/** A broker and an instance, and in how many days their certificates expire. */
async function world(days: { own: number; instance: number }, host = 'sydney') {
  const [own, instance] = [inDays(days.own, 'broker'), inDays(days.instance, 'sydney')]
  const [ownPort, instancePort] = [await tlsServer(own), await tlsServer(instance)]
  const outbound = createOutbound({
    allowLoopback: true,
    ca: own.certificate + instance.certificate,
    lookup: here as never,
  })
  onTestFinished(() => outbound.close())
  const rig = await createRig({
    realTime: true,
    config: { issuer: `https://broker:${ownPort}` },
    deps: { outbound },
  })
  const logoutUris = [
    `https://${host}:${instancePort}/oidc/backchannel-logout`,
    `https://${host}:${instancePort}/second`,
  ]
  await rig.register('Sydney', { logoutUris })
  const checks = createChecks(rig.deps, certificateChecks)
  const found = async () =>
    (await checks.look({ fresh: true })).map(({ about, state, found: said }) => [
      about,
      state,
      said,
    ])
  return {
    rig,
    checks,
    found,
    own: `certificate of broker:${ownPort}`,
    instance: `certificate of ${host}:${instancePort}`,
    ownPort,
    instancePort,
  }
}

describe('TLS certificates of the broker’s address and of logout addresses', () => {
  test('are looked at once for each host; one that expires soon is a warning, with its date as a metric', async () => {
    const { rig, found, own, instance, instancePort } = await world({ own: 25, instance: 3 })
    expect((await found()).toSorted()).toEqual(
      [
        [own, 'ok', expect.stringMatching(/, in 2[45] days\.$/)],
        [instance, 'warning', expect.stringMatching(/, in [23] days\.$/)],
      ].toSorted(),
    )
    const ends = await rig.metrics.certificateExpiresAt.get()
    const address = `https://sydney:${instancePort}`
    expect(ends.values.find(({ labels }) => labels.address === address)?.value).toBeCloseTo(
      rig.clock.now() + 3 * DAY,
      -2,
    )
  })

  test.each([
    ['has expired', 'sydney', -1, /CERT_HAS_EXPIRED/],
    ['names another host', 'melbourne', 25, /ERR_TLS_CERT_ALTNAME_INVALID/],
  ])('one that %s has failed, with what to do', async (_, host, days, code) => {
    const { checks, instance } = await world({ own: 25, instance: days }, host)
    const finding = (await checks.look({ fresh: true })).find(({ about }) => about === instance)
    expect(finding).toMatchObject({
      state: 'failed',
      found: expect.stringMatching(code) as string,
      fix: expect.stringMatching(/^Renew it at sydney/) as string,
    })
  })

  test('an address that does not answer is no finding against its certificate', async () => {
    const { rig, found, instance } = await world({ own: 25, instance: 25 })
    vi.spyOn(rig.deps.outbound, 'certificate').mockRejectedValue(
      Object.assign(new Error('no'), { code: 'ECONNREFUSED' }),
    )
    expect(await found()).toContainEqual([
      instance,
      'unknown',
      expect.stringContaining('ECONNREFUSED'),
    ])
  })

  test('no check waits for them: an address that hangs delays neither /readyz nor /metrics', async () => {
    const { rig, instance } = await world({ own: 25, instance: 3 })
    const certificate = rig.deps.outbound.certificate.bind(rig.deps.outbound)
    let answer: () => void = () => {}
    const gate = new Promise<void>((done) => (answer = done))
    vi.spyOn(rig.deps.outbound, 'certificate').mockImplementation(async (...asked) => {
      await gate
      return certificate(...asked)
    })
    const readyz = async () => {
      const { checks } = (await (await rig.opsApp.request('/readyz')).json()) as {
        checks: { check: string; about?: string }[]
      }
      return checks.filter(({ check }) => check === 'certificates').map(({ about }) => about)
    }
    expect(await readyz()).toEqual([])
    answer()
    await expect.poll(readyz).toEqual([instance])
    expect(await (await rig.opsApp.request('/metrics')).text()).toContain(
      'broker_check_findings{check="certificates",state="warning"} 1\n',
    )
  })

  test('on a plain http broker without https addresses there is nothing to look at', async () => {
    const rig = await createRig()
    await rig.register('Sydney', { logoutUris: ['http://127.0.0.1:1/logout'] })
    const asked = vi.spyOn(rig.deps.outbound, 'certificate')
    expect(await createChecks(rig.deps, certificateChecks).look({ fresh: true })).toEqual([])
    expect(asked).not.toHaveBeenCalled()
  })
})
