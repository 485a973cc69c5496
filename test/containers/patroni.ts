import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TokenEndpointResponse } from 'openid-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createGuard, type Guard } from '@case-manager/guard'
import { ROOT } from '../markdown.ts'
import { until } from '../process/broker-process.ts'
import { hasEngine } from './engine.ts'
import { Load } from './load.ts'
import { blocksUnder, openStack, type Stack } from './stack.ts'
import { ask, newBrowser, register, signIn, signOut, SYDNEY } from './sydney.ts'

/**
 * Two brokers on three members of Patroni, by deploy/patroni.yml: the leader is cut off, stopped
 * and killed, and another member takes its place.
 */

const NAME = 'cmb-patroni-test'
const IMAGE = `${NAME}-postgres`
/** The addresses in test/containers/patroni/compose.yaml. */
const MEMBERS: Record<string, string> = {
  'patroni-a': '172.30.77.11',
  'patroni-b': '172.30.77.12',
  'patroni-c': '172.30.77.13',
}
const ETCD = '172.30.77.10'
const BROKER_A = '172.30.77.21'
/** How long a confirmed commit lets a broker answer (db/postgres/process-lease.ts). */
const BROKER_LEASE_MS = 1_000
/** The longest lease of a guard (docs/feed.md). */
const GUARD_LEASE_MS = 30_000

/**
 * Builds the image of Patroni from compose.yaml's Postgres and Debian's packages. Returns whether
 * this machine can.
 */
function buildImage(): boolean {
  if (!hasEngine()) return false
  const [, postgres = ''] =
    /image: (postgres:\S+)/.exec(readFileSync(join(ROOT, 'compose.yaml'), 'utf8')) ?? []
  const folder = join(ROOT, 'test/containers/patroni')
  const { status } = spawnSync(
    'docker',
    ['build', '-q', '-t', IMAGE, '--build-arg', `POSTGRES=${postgres}`, folder],
    {
      env: { ...process.env, DOCKER_BUILDKIT: '1' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  if (status !== 0)
    console.warn(
      'The packages of Patroni and etcd cannot be had here: automatic failover is left out.',
    )
  return status === 0
}

/**
 * Sessions that were acknowledged, with the answers of the brokers and a guard about those that
 * were ended.
 */
class Sessions {
  readonly kept: TokenEndpointResponse[] = []
  readonly ended: { tokens: TokenEndpointResponse; atMs: number }[] = []
  /** The longest time after an acknowledgment at which the guard still accepted a token. */
  guardMs = 0
  readonly problems: string[] = []
  readonly parts: { stack: Stack; secret: string; guard: Guard; brokers: Record<string, string> }
  readonly #timer: NodeJS.Timeout
  constructor(parts: Sessions['parts']) {
    this.parts = parts
    this.#timer = setInterval(() => void this.#look(), 400)
  }

  signedIn = async (browser = newBrowser(this.parts.stack)): Promise<TokenEndpointResponse> =>
    signIn(this.parts.stack, browser, this.parts.secret)

  async keep(): Promise<void> {
    this.kept.push(await this.signedIn())
  }

  /** Ends a session by its user, who signs out. */
  async signOut(): Promise<void> {
    const { stack } = this.parts
    const browser = newBrowser(stack)
    const tokens = await this.signedIn(browser)
    expect(await signOut(stack, browser, 'device')).toMatchObject({ status: 200 })
    this.ended.push({ tokens, atMs: performance.now() })
  }

  /** Ends a session by its client, which repeats a revocation until it is acknowledged. */
  async revoke(tokens: TokenEndpointResponse): Promise<void> {
    const { stack, secret } = this.parts
    await until('the revocation is acknowledged', async () => {
      const response = await ask(stack, secret, '/revoke', { token: tokens.refresh_token ?? '' })
      await response.text()
      return response.status === 200
    })
    this.ended.push({ tokens, atMs: performance.now() })
  }

  /** Returns whether a broker reports the token as active. */
  async isActive(broker: string, { access_token: token }: TokenEndpointResponse): Promise<boolean> {
    const { stack, secret, brokers } = this.parts
    const response = await ask(stack, secret, '/introspect', { token }, brokers[broker]).catch(
      () => undefined,
    )
    const text = (await response?.text().catch(() => '')) ?? ''
    return response?.status === 200 && text.includes('"active":true')
  }

  async #look(): Promise<void> {
    await Promise.all(
      this.ended.slice(-3).map(async ({ tokens, atMs }) => {
        const askedMs = performance.now()
        if ((await this.parts.guard.check(tokens.access_token)).ok)
          this.guardMs = Math.max(this.guardMs, askedMs - atMs)
        for (const broker of Object.keys(this.parts.brokers))
          if (await this.isActive(broker, tokens))
            this.problems.push(`${broker} accepted a session that had been ended`)
      }),
    )
  }

  /** Checks at each broker that ended sessions are rejected and the others are still valid. */
  async check(): Promise<void> {
    const { guard, brokers } = this.parts
    for (const broker of Object.keys(brokers)) {
      const ended = await Promise.all(this.ended.map(({ tokens }) => this.#refresh(broker, tokens)))
      expect({ broker, ended }).toEqual({ broker, ended: ended.map(() => 400) })
      const kept = await Promise.all(this.kept.map((tokens) => this.#refresh(broker, tokens)))
      expect({ broker, kept }).toEqual({ broker, kept: kept.map(() => 200) })
    }
    const accepts = async ({ access_token: token }: TokenEndpointResponse): Promise<boolean> =>
      (await guard.check(token)).ok
    for (const tokens of this.kept)
      await until('the guard accepts what goes on', () => accepts(tokens))
    for (const { tokens } of this.ended)
      await until('the guard rejects what has ended', async () => !(await accepts(tokens)))
    console.log(
      `the guard rejected all of ${this.ended.length} within ${Math.round(this.guardMs)} ms`,
    )
    expect(this.problems).toEqual([])
    expect(this.guardMs).toBeLessThan(GUARD_LEASE_MS)
  }

  /**
   * Refreshes once the broker answers.
   * @returns the status
   */
  #refresh(broker: string, tokens: TokenEndpointResponse): Promise<number> {
    const { stack, secret, brokers } = this.parts
    return until('the broker answers', async () => {
      const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' }
      const response = await ask(stack, secret, '/token', form, brokers[broker])
      const answered = (await response.json()) as Partial<TokenEndpointResponse>
      if (response.status === 200) Object.assign(tokens, answered)
      return response.status === 503 ? undefined : response.status
    })
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

describe.runIf(buildImage())('two brokers on Patroni', () => {
  let stack: Stack
  let secret: string
  let load: Load
  let guard: Guard
  let sessions: Sessions

  /** Returns a value that Patroni keeps in etcd, by its gRPC gateway. */
  const etcd = async (key: string): Promise<string> => {
    const body = JSON.stringify({ key: Buffer.from(`/service/broker/${key}`).toString('base64') })
    const { kvs } = (await (
      await fetch(`http://${ETCD}:2379/v3/kv/range`, { method: 'POST', body })
    ).json()) as { kvs?: { value: string }[] }
    await sleep(100)
    return Buffer.from(kvs?.[0]?.value ?? '', 'base64').toString()
  }

  /** Returns the leader, once a standby confirms its commits. */
  const leaderNow = (not?: string): Promise<string> =>
    until(
      'there is a leader with a synchronous standby',
      async () => {
        const leader = await etcd('leader')
        const sync = JSON.parse((await etcd('sync')) || '{}') as {
          leader?: string
          sync_standby?: string | null
        }
        return leader !== not && sync.leader === leader && Boolean(sync.sync_standby)
          ? leader
          : undefined
      },
      90,
    )
  /** Returns the leader, once every other member follows it and tokens are issued. */
  const whole = async (): Promise<string> => {
    const leader = await leaderNow()
    for (const member of Object.keys(MEMBERS).filter((key) => key !== leader))
      await until(
        `${member} follows ${leader}`,
        async () => (await etcd(`members/${member}`)).includes('"replication_state":"streaming"'),
        90,
      )
    await load.steady()
    return leader
  }
  const psql = (member: string, text: string): Promise<string> =>
    stack
      .sh(`docker compose exec -T ${member} psql -d broker -XAtqc "${text}"`)
      .then((out) => out.trim())

  beforeAll(async () => {
    stack = await openStack(NAME, '172.30.76.1')
    await stack.startProxy()
    await stack.sh(
      `sed -i 's/172[.]30[.]73[.]/172.30.75./; s/172[.]30[.]74[.]/172.30.76./' compose.yaml deploy/compose/haproxy.cfg`,
    )
    await stack.sh(
      (blocksUnder('operations.md', 'With containers')[0] ?? '').replace(/^docker .*\n/gm, ''),
    )
    const password = randomBytes(24).toString('hex')
    const files = ['compose.yaml', 'compose.override.yaml', 'test/containers/patroni/compose.yaml']
    await stack.sh(
      `printf 'COMPOSE_FILE=%s\\nPATRONI_PASSWORD=%s\\n' ${files.join(':')} ${password} >> .env`,
    )
    stack.write('secrets/postgres_password', password)
    stack.write(
      'secrets/database_url',
      `postgres://broker:${password}@${Object.values(MEMBERS).join()}/broker`,
    )
    const built = stack.sh('docker compose build broker')
    await stack.sh(`docker compose up -d etcd ${Object.keys(MEMBERS).join(' ')}`)
    const [roles = ''] = blocksUnder('scale-out.md', 'Set it up', 'sql')
    stack.write('roles.sql', roles.replaceAll('…', password))
    const leader = await leaderNow()
    await stack.sh(`docker compose exec -T ${leader} psql -v ON_ERROR_STOP=1 < roles.sql`)
    await built
    await stack.sh('docker compose --profile cluster up -d --wait proxy')
    secret = await register(stack, 'broker-a')
    guard = createGuard({
      issuer: stack.issuer,
      clientId: SYDNEY.id,
      clientSecret: secret,
      audience: SYDNEY.audience,
      fetch: stack.fetch,
    })
    await guard.start()
    const at = async (broker: string): Promise<string> =>
      `http://${(await stack.sh(`docker compose port ${broker} 7400`)).trim()}`
    const brokers = { 'broker-a': await at('broker-a'), 'broker-b': await at('broker-b') }
    sessions = new Sessions({ stack, secret, guard, brokers })
    load = new Load(stack, secret)
    await load.during('started', async () => undefined)
  })
  afterAll(async () => {
    load?.stop()
    sessions?.stop()
    await guard?.stop()
    await stack?.end()
    spawnSync('docker', ['rmi', IMAGE])
  })

  /** Makes the leader fail while sessions are revoked. Returns the leader that failed. */
  async function failsOver(
    what: string,
    fail: (leader: string) => Promise<unknown>,
  ): Promise<string> {
    const leader = await whole()
    await sessions.signOut()
    await sessions.keep()
    const ending = await Promise.all([sessions.signedIn(), sessions.signedIn()])
    let revoked: Promise<unknown> = Promise.resolve()
    await load.during(what, async () => {
      await fail(leader)
      revoked = Promise.all(ending.map((tokens) => sessions.revoke(tokens)))
      revoked.catch(() => undefined)
      await leaderNow(leader)
    })
    await revoked
    return leader
  }

  test('the leader is cut off with one broker, which answers nothing from it', async () => {
    const filter = (service: string, rules: string): Promise<string> =>
      stack.sh(
        `docker run --rm --user root --cap-add NET_ADMIN --network "container:$(docker compose ps -q ${service})" ${IMAGE} sh -ec '${rules}'`,
      )
    const positive: number[] = []
    let cutMs = Infinity
    let asking: NodeJS.Timeout | undefined
    onTestFinished(() => clearInterval(asking))
    const former = await failsOver('cut off', async (leader) => {
      const [kept] = sessions.kept.slice(-1)
      asking = setInterval(() => {
        const begunMs = performance.now()
        if (kept !== undefined)
          void sessions
            .isActive('broker-a', kept)
            .then((active) => active && positive.push(begunMs))
      }, 100)
      const others = [
        ETCD,
        ...Object.values(MEMBERS).filter((member) => member !== MEMBERS[leader]),
      ].join()
      await filter(
        'broker-a',
        `iptables -A INPUT -s ${others} -j DROP; iptables -A OUTPUT -d ${others} -j DROP`,
      )
      await filter(
        leader,
        `iptables -A INPUT ! -i lo ! -s ${BROKER_A} -j DROP; iptables -A OUTPUT ! -o lo ! -d ${BROKER_A} -j DROP`,
      )
      cutMs = performance.now()
      // The member is still a primary, and the broker's connections to it are open.
      expect(
        await psql(
          leader,
          `SELECT pg_is_in_recovery(), count(*) > 0 FROM pg_stat_activity WHERE client_addr = '${BROKER_A}'`,
        ),
      ).toBe('f|t')
    })
    await sleep(2_000)
    expect(positive.length).toBeGreaterThan(0)
    expect(positive.filter((begunMs) => begunMs > cutMs + BROKER_LEASE_MS)).toEqual([])
    for (const service of ['broker-a', former]) await filter(service, 'iptables -F')
    await sessions.check()
  })

  test('the leader is stopped; its Postgres goes on beside the next one, and then its Patroni', async () => {
    const signal = (member: string, which: string) =>
      stack.sh(`docker compose exec -T ${member} pkill -${which}`)
    const patroni = `-f '^/usr/bin/python3 /usr/bin/patroni'`
    const former = await failsOver('stopped', async (leader) => {
      await signal(leader, `STOP ${patroni}`)
      await signal(leader, 'STOP postgres')
    })
    await signal(former, 'CONT postgres')
    expect(await psql(former, 'SELECT pg_is_in_recovery()')).toBe('f')
    await sessions.check()
    await signal(former, `CONT ${patroni}`)
    await sessions.check()
  })

  test('the leader is killed', async () => {
    await failsOver('killed', (leader) => stack.sh(`docker compose kill ${leader}`))
    await sessions.check()
  })
})
