import module, { type ResolveFnOutput, type ResolveHookContext } from 'node:module'

/**
 * Node reads the whole package.json of a package each time that one of its modules imports another,
 * to learn the module format. drizzle-orm's has 180 kB, so its 146 modules cost more than 1 s of
 * CPU at each start with Node 26, and the broker's own modules 0.1 s. All of them are ES modules,
 * so this hook tells Node the format.
 */

type Next = (specifier: string, context: ResolveHookContext) => ResolveFnOutput

const isOfDrizzle = (url: string): boolean =>
  url.includes('/node_modules/drizzle-orm/') && url.endsWith('.js')

/** The folder of the broker's build. Sources that a TypeScript loader runs do not end in `.js`. */
const OURS = new URL('../../', import.meta.url).href

/**
 * Returns a hook that resolves imports between the broker's modules, and inside drizzle-orm,
 * without reading package.json. It leaves all other modules, and the first import of each entry of
 * drizzle-orm, to Node.
 * @param ours the folder of the broker's own modules
 */
export function quickResolver(
  ours = OURS,
): (specifier: string, context: ResolveHookContext, next: Next) => ResolveFnOutput {
  const entries = new Map<string, ResolveFnOutput>()
  const isOurs = (url: string): boolean =>
    url.startsWith(ours) && url.endsWith('.js') && !url.includes('/node_modules/', ours.length - 1)
  return (specifier, context, next) => {
    const { parentURL = '', conditions } = context
    if (!conditions.includes('import')) return next(specifier, context)
    if (
      specifier.startsWith('.') &&
      specifier.endsWith('.js') &&
      (isOfDrizzle(parentURL) || isOurs(parentURL))
    )
      return { url: new URL(specifier, parentURL).href, format: 'module', shortCircuit: true }
    // Another package may import its own copy of drizzle-orm, so the cache must not answer it.
    if (!/^drizzle-orm(?:\/|$)/.test(specifier) || parentURL.includes('/node_modules/'))
      return next(specifier, context)
    const known = entries.get(specifier)
    if (known !== undefined) return known
    const found = next(specifier, context)
    entries.set(specifier, { ...found, shortCircuit: true })
    return found
  }
}

/** Does nothing with Node 22.14, which has no such hooks. */
export function resolveQuickly(ours = OURS): void {
  if ('registerHooks' in module) module.registerHooks({ resolve: quickResolver(ours) })
}
