/**
 * `oidc-provider` writes to the console at import when the runtime is not a long-term release. A
 * stand-in that scripts read the output of must be silent, and the version is pinned and tested on
 * the runtime we ship.
 */
const { warn } = console
console.warn = () => {}
const loaded = await import('oidc-provider').finally(() => {
  console.warn = warn
})

export const Provider = loaded.Provider
export type Provider = InstanceType<typeof Provider>
