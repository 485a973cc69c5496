export function findGenerator(language: 'TypeScript' | 'Python'): string | undefined
export const GENERATORS_PYTHON: string
