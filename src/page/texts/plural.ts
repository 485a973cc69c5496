/** Plural forms of a language by its own rules (Unicode CLDR, by the platform's Intl.PluralRules): `#` is the number. */

type Forms = { other: string } & Partial<Record<Intl.LDMLPluralRule, string>>

export const plurals = (locale: string): ((count: number, forms: Forms) => string) => {
  const rules = new Intl.PluralRules(locale)
  const numbers = new Intl.NumberFormat(locale)
  return (count, forms) => (forms[rules.select(count)] ?? forms.other).replaceAll('#', numbers.format(count))
}
