import { type Check, credentialEnd, tenantChecks } from './check.ts'
import { Answer, LinkButton } from '../page/components.tsx'
import { nameOf, setupPage, type Visit } from './frame.tsx'
import { allSeen } from './seen.ts'

/** Looks at everything that has to be right, now, and says how to mend what is not. It changes nothing. */

export async function checksPage(visit: Visit): Promise<Response> {
  const { deps, administration } = visit
  const tenants = await allSeen(deps.store)
  const [shared, ...each] = await Promise.all([
    credentialEnd(visit),
    ...tenants.map(async (seen) => ({ seen, checks: await tenantChecks(visit, seen, await administration.examine(seen.row.tid)) })),
  ])
  const bad = [shared, ...each.flatMap((one) => one.checks)].filter((one) => one.is === 'no').length
  return setupPage(
    visit,
    {
      title: 'Does everything work?',
      said:
        bad === 0
          ? { kind: 'good', title: 'Nothing is wrong.' }
          : { kind: 'bad', title: bad === 1 ? 'One thing is wrong.' : `${bad} things are wrong.` },
    },
    <>
      <Shown {...shared} />
      {each.map(({ seen, checks }) => (
        <section class="stack" aria-label={nameOf(seen.row)}>
          <h2>{nameOf(seen.row)}</h2>
          {checks.map((check) => (
            <Shown {...check} />
          ))}
          <div class="row">
            <LinkButton href={`/setup/tenants/${seen.row.tid}`} kind="quiet">
              Open {nameOf(seen.row)}
            </LinkButton>
          </div>
        </section>
      ))}
      <div class="row">
        <LinkButton href="/setup/checks" kind="quiet">
          Look again
        </LinkButton>
      </div>
    </>,
  )
}

const Shown = ({ question, is, found, mend }: Check) => (
  <Answer question={question} is={is}>
    <p>{found}</p>
    {mend === undefined ? null : <p class="soft">{mend}</p>}
  </Answer>
)
