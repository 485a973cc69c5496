/** The languages of users' pages. `page/texts.ts` has a catalog for each; the first is what apps and operators read. */
export const LANGUAGES = ['en', 'de', 'fr', 'es', 'ar'] as const
export type Language = (typeof LANGUAGES)[number]
