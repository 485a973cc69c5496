/**
 * `oidc-provider` writes to the console at import when the runtime is not a long-term release.
 * Scripts read this program's output, so the warning is suppressed. The version is pinned and
 * tested on the runtime that the project brings.
 */
const { warn } = console
console.warn = () => {}
const loaded = await import('oidc-provider').finally(() => {
  console.warn = warn
})

export const Provider = loaded.Provider
export type Provider = InstanceType<typeof Provider>
