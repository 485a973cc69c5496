import { Hono } from 'hono'
import type { Config } from '../config/config.ts'
import type { Image } from '../config/image.ts'
import { type Accent, accentsOf } from '../config/contrast.ts'
import { type Asset, asset, readAsset, styleSheet } from './assets.ts'

/**
 * The appearance of pages: style sheet, icon and logo, served by the broker. It is built once for
 * each configuration of the look.
 */

export interface Look {
  sheet: Asset
  icon: Asset
  logo: Asset | undefined
  darkLogo: Asset | undefined
}

const CSS = readAsset(import.meta.url, './broker.css')
const DARK = readAsset(import.meta.url, './dark.css')
const ICON = readAsset(import.meta.url, './icon.svg')

const variables = ({ act, over, on }: Accent): string =>
  `:root{--act:${act};--act-over:${over};--on-act:${on}}`

/**
 * Returns the style sheet with the configured colors. They were validated when they were read, so
 * they cannot inject other CSS.
 */
function sheetOf({ accent, background }: Config['look']): Asset {
  const { light, dark } = accentsOf(accent)
  const ground = `@media not all and (prefers-color-scheme:dark){.users{--ground:${background}}}`
  const css = `${CSS}\n${variables(light)}\n@media (prefers-color-scheme:dark){\n${DARK}${variables(dark)}}\n${ground}\n`
  return styleSheet('/assets/broker.css', css)
}

const imageAt = (path: string, image: Image | undefined): Asset | undefined =>
  image === undefined ? undefined : asset(path, image.type, image.bytes)

const looks = new WeakMap<Config['look'], Look>()

export function lookOf({ look }: Pick<Config, 'look'>): Look {
  const known = looks.get(look)
  if (known !== undefined) return known
  const made = {
    sheet: sheetOf(look),
    icon:
      imageAt('/assets/icon', look.icon) ??
      asset('/assets/icon.svg', 'image/svg+xml', ICON.replace('#0b5563', look.accent)),
    logo: imageAt('/assets/logo', look.logo),
    darkLogo: imageAt('/assets/logo-dark', look.darkLogo),
  }
  looks.set(look, made)
  return made
}

const logos = new WeakMap<Image, Asset>()

/** Returns a client's logo as an asset of the broker. */
export function appLogo(clientId: string, image: Image): Asset {
  const made = logos.get(image) ?? asset(`/assets/apps/${clientId}`, image.type, image.bytes)
  logos.set(image, made)
  return made
}

/** Returns the endpoints of style sheet, icon and logo. */
export function pageAssets(config: Pick<Config, 'look'>): Hono {
  const endpoints = new Hono()
  // The look is read for each request, because /setup can change it.
  for (const path of [
    '/assets/broker.css',
    '/assets/icon',
    '/assets/icon.svg',
    '/assets/logo',
    '/assets/logo-dark',
  ])
    endpoints.get(path, (c) => {
      const { sheet, icon, logo, darkLogo } = lookOf(config)
      return (
        [sheet, icon, logo, darkLogo].find((candidate) => candidate?.path === path)?.serve(c) ??
        c.notFound()
      )
    })
  return endpoints
}
