import type { BrandImage, BrandText } from '../../acts/branding.ts'

/** The labels of the fields of /setup/branding. */

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
