import { BUILT_IN, type Language, readLanguage } from './languages/language.ts'
import type { Reader } from './read.ts'
import { SETTINGS, type Values } from './settings.ts'

/** The languages of users' pages: English first, then those of the operator's translation files. */

const { language: defaultSetting, translationFiles: filesSetting } = SETTINGS.look

export function readLanguages(
  read: Reader,
  { language: wanted, translationFiles }: Values['look'],
): Language[] {
  const languages = [BUILT_IN]
  for (const file of translationFiles ?? []) {
    const more = readLanguage(file, (problem) => read.add(filesSetting, problem))
    if (more === undefined) continue
    const isKnown = languages.some(({ language }) => language === more.language)
    if (isKnown)
      read.add(
        filesSetting,
        `names ${file}, which is a second file of the language ${more.language}`,
      )
    else languages.push(more)
  }
  const known = languages.map(({ language }) => language)
  if (wanted !== undefined && !known.includes(wanted))
    read.add(
      defaultSetting,
      `is not a language of this broker, which has ${known.join(', ')}: ${filesSetting.name} adds others`,
    )
  return languages
}
