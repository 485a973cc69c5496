import { z } from 'zod'
import type { Config } from '../../config/config.ts'
import { type Image, imageOf } from '../../config/image.ts'
import { SETTINGS } from '../../config/settings.ts'
import type { Store } from '../../../db/store.ts'
import { Readings } from '../../runtime/concurrency.ts'
import { brandingSetting } from '../../protocol/names.ts'

/**
 * The organization's branding as saved at /setup. Each saved field overrides the environment.
 * Brokers read it at start and when the registry changes.
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

/** The saved fields. A missing field has the environment's value. */
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
 * Merges the saved branding over the environment's. Pages read `config.look` when they are
 * rendered.
 */
export class SavedBranding {
  /** The environment's values, for fields that are not saved. */
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
   * Reads the saved branding, which the next page uses. Unchanged text keeps `config.look` as it
   * is, so that its assets stay valid.
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

  /** Saves the branding. An empty one restores the environment's values. */
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
 * Returns the problem with an entered text, as the end of a sentence; undefined if it can be saved.
 */
export function brandTextProblem(name: BrandText, value: string): string | undefined {
  return SETTINGS.look[name].schema.safeParse(value).error?.issues[0]?.message
}
