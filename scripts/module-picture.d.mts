export const FOLDERS: string[]
interface Module {
  source: string
  dependencies: { resolved: string }[]
}
export function picture(modules: readonly Module[]): string
export function withPictures(page: string, modules: readonly Module[]): string
