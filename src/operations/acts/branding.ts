import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { type Image, imageOf } from '../../config/image.ts'
import { SETTINGS } from '../../config/settings.ts'
import type { Store } from '../../../db/store.ts'
import { Readings } from '../../runtime/concurrency.ts'
import { brandingSetting } from '../../protocol/names.ts'

/**
 * What users see of the organization that runs the broker, as saved at /setup: it overrides the
 * environment, field by field. Each broker reads it at start, and again when the registry changes.
 */

export const BRAND_TEXTS = [
  'product',
  'organization',
  'accent',
  'background',
  'support',
  'privacy',
  'terms',
  'accessibility',
] as const
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

interface Need {
  store: Pick<Store, 'setting' | 'setSetting'>
  config: Config
}

/**
 * What is saved, over the settings of the environment. Pages take `config.look` when they are made.
 */
export class SavedBranding {
  /** What a field has where it is not saved. */
  readonly environment: Look
  readonly #store: Need['store']
  readonly #config: Config
  readonly #readings = new Readings()
  #lastRead: string | undefined

  constructor({ store, config }: Need) {
    this.#store = store
    this.#config = config
    this.environment = config.look
  }

  static async open(needs: Need): Promise<SavedBranding> {
    const branding = new SavedBranding(needs)
    await branding.read()
    return branding
  }

  async saved(): Promise<Branding> {
    return parsed(await this.#store.setting(brandingSetting))
  }

  /**
   * Counts from the next page on. The same text leaves `config.look` as it is, so that its assets
   * stay.
   */
  async read(): Promise<void> {
    await this.#readings.take(
      () => this.#store.setting(brandingSetting),
      (text) => {
        if (text === this.#lastRead) return
        const { texts, images } = parsed(text)
        this.#config.look = { ...this.environment, ...texts, ...images }
        this.#lastRead = text
      },
    )
  }

  /** Where nothing is in it, the environment counts again. */
  async save({ texts, images: pictures }: Branding): Promise<void> {
    const images = Object.fromEntries(
      Object.entries(pictures).map(([name, { bytes }]) => [name, bytes.toString('base64')]),
    )
    const isEmpty = Object.keys(texts).length === 0 && Object.keys(images).length === 0
    await this.#store.setSetting(
      brandingSetting,
      isEmpty ? undefined : JSON.stringify({ texts, images }),
    )
    await this.read()
  }
}

function parsed(text: string | undefined): Branding {
  if (text === undefined) return { texts: {}, images: {} }
  const { texts, images } = keptSchema.parse(JSON.parse(text))
  const read: Branding['images'] = {}
  for (const name of BRAND_IMAGES) {
    const image =
      images[name] === undefined ? undefined : imageOf(Buffer.from(images[name], 'base64'))
    if (image !== undefined && typeof image !== 'string') read[name] = image
  }
  return { texts, images: read }
}

/**
 * @returns what is wrong with a text that was typed, completing a sentence; undefined: it can be
 * saved
 */
export function brandTextProblem(name: BrandText, value: string): string | undefined {
  return SETTINGS.look[name].schema.safeParse(value).error?.issues[0]?.message
}
