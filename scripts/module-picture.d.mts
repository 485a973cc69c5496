export const FOLDERS: string[]
interface Module {
  source: string
  dependencies: { resolved: string }[]
}
export function modulePicture(modules: readonly Module[]): string
export function withPicture(page: string, picture: string): string
