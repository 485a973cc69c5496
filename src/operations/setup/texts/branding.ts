import type { BrandImage, BrandText } from '../../acts/branding.ts'

/** The words of /setup/branding, and the labels of its fields. */

export const LABELS: Record<BrandText, string> = {
  product: 'Product name',
  organization: 'Organization',
  accent: 'Color of buttons and links',
  background: 'Background of users’ pages',
  support: 'Help: a mailto:, tel: or https address',
  privacy: 'Privacy statement',
  terms: 'Terms of use',
  accessibility: 'Accessibility statement',
}
export const IMAGE_LABELS: Record<BrandImage, string> = {
  logo: 'Logo',
  darkLogo: 'Logo for dark pages',
  icon: 'Icon of the browser’s tab',
}

export const BRAND = {
  title: 'What users see',
  replaces:
    'What you save here replaces the settings of the environment, field by field. Where a field is empty, the environment’s setting applies, and the field shows it in gray. When you save, the broker measures the contrast of the colors.',
  see: 'See a page of users',
  image: (kilobytes: number, isSaved: boolean): string =>
    `PNG or WebP, at most ${kilobytes} kB.${isSaved ? ' One is saved; choose another to replace it.' : ''}`,
  remove: (label: string): string => `Remove the saved image: ${label}`,
  wrong: (problem: string): string => `It ${problem}.`,
  wrongImage: (problem: string): string => `The image ${problem}. `,
}
