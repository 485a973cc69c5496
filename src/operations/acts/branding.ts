import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { type Image, imageOf } from '../../config/image.ts'
import { SETTINGS } from '../../config/settings.ts'
import type { Deps } from '../deps.ts'
import { Readings } from '../../runtime/concurrency.ts'
import { brandingSetting } from '../../protocol/names.ts'

/**
 * What users see of the organization that runs the broker, as saved at /setup: it overrides the environment, field by field. Each broker reads it at
 * start, and again when the registry changes.
 */

export const BRAND_TEXTS = ['product', 'organization', 'accent', 'background', 'support', 'privacy', 'terms', 'accessibility'] as const
export type BrandText = (typeof BRAND_TEXTS)[number]
export const BRAND_IMAGES = ['logo', 'darkLogo', 'icon'] as const
export type BrandImage = (typeof BRAND_IMAGES)[number]

/** Absent: as the environment says. */
export interface Branding {
  texts: Partial<Record<BrandText, string>>
  images: Partial<Record<BrandImage, Image>>
}

const keptSchema = z.object({
  texts: z.partialRecord(z.enum(BRAND_TEXTS), z.string()),
  images: z.partialRecord(z.enum(BRAND_IMAGES), z.base64()),
})

type Look = Config['look']

/** The settings of the environment, before anything saved was put over them. */
const fromEnvironment = new WeakMap<Config, Look>()
/** By broker: what it read last. */
const lastRead = new WeakMap<Config, string | undefined>()
const readings = new WeakMap<Config, Readings>()

type Need = Pick<Deps, 'store' | 'config'>

export async function savedBranding({ store }: Pick<Deps, 'store'>): Promise<Branding> {
  return parsed(await store.setting(brandingSetting))
}

function parsed(text: string | undefined): Branding {
  if (text === undefined) return { texts: {}, images: {} }
  const { texts, images } = keptSchema.parse(JSON.parse(text))
  const read: Branding['images'] = {}
  for (const name of BRAND_IMAGES) {
    const image = images[name] === undefined ? undefined : imageOf(Buffer.from(images[name], 'base64'))
    if (image !== undefined && typeof image !== 'string') read[name] = image
  }
  return { texts, images: read }
}

/** From the next page on. Pages take `config.look` when they are made; the same text leaves it as it is, so that its assets stay. */
export async function readBranding({ store, config }: Need): Promise<void> {
  const environment = fromEnvironment.get(config) ?? config.look
  fromEnvironment.set(config, environment)
  const ofConfig = readings.get(config) ?? new Readings()
  readings.set(config, ofConfig)
  await ofConfig.take(
    () => store.setting(brandingSetting),
    (text) => {
      if (text === lastRead.get(config)) return
      const { texts, images } = parsed(text)
      config.look = { ...environment, ...texts, ...images }
      lastRead.set(config, text)
    },
  )
}

/** Nothing of it: the environment counts again. */
export async function saveBranding(deps: Need, branding: Branding): Promise<void> {
  const images = Object.fromEntries(Object.entries(branding.images).map(([name, { bytes }]) => [name, bytes.toString('base64')]))
  const isEmpty = Object.keys(branding.texts).length === 0 && Object.keys(images).length === 0
  await deps.store.setSetting(brandingSetting, isEmpty ? undefined : JSON.stringify({ texts: branding.texts, images }))
  await readBranding(deps)
}

/** @returns what is wrong with a text that was typed, completing a sentence; undefined: it can be saved */
export function brandTextProblem(name: BrandText, value: string): string | undefined {
  return SETTINGS.look[name].schema.safeParse(value).error?.issues[0]?.message
}

/** What a field has where it is not saved. */
export const environmentLook = (config: Config): Look => fromEnvironment.get(config) ?? config.look
