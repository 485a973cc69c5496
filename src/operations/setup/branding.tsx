import {
  BRAND_IMAGES,
  BRAND_TEXTS,
  type BrandImage,
  type Branding,
  type BrandText,
  brandTextProblem,
} from '../acts/branding.ts'
import { imageOf, LARGEST_IMAGE } from '../../config/image.ts'
import { SETTINGS } from '../../config/settings.ts'
import { Tick } from '../../pages/components.tsx'
import { TextField } from '../../pages/fields.tsx'
import { Form, redirectTo, recordStep, setupPage, type SetupRequest } from './frame.tsx'
import { resultOf } from './results.tsx'
import { Links } from './steps.tsx'
import { BRAND, IMAGE_LABELS, LABELS } from './texts/branding.ts'
import { RESULTS } from './texts/results.ts'

/** The branding of the organization: names, links, colors and images. */

export const BRANDING = '/setup/branding'

/** The entered texts of a rejected form, and their problems. */
interface Typed {
  texts: Partial<Record<BrandText, string>>
  problems: Partial<Record<BrandText | BrandImage, string>>
}

export async function brandingPage(request: SetupRequest, typed?: Typed): Promise<Response> {
  const { deps, c } = request
  const saved = await deps.branding.saved()
  const texts = typed?.texts ?? saved.texts
  return setupPage(
    request,
    {
      title: BRAND.title,
      status: typed === undefined ? 200 : 400,
      result: typed === undefined ? resultOf(c) : RESULTS.not_saved,
    },
    <>
      <p class="soft">{BRAND.replaces}</p>
      <Form request={request} action={BRANDING} files button="Save">
        {BRAND_TEXTS.map((name) => (
          <Text request={request} name={name} value={texts[name]} problem={typed?.problems[name]} />
        ))}
        {BRAND_IMAGES.map((name) => (
          <Picture
            name={name}
            isSaved={saved.images[name] !== undefined}
            problem={typed?.problems[name]}
          />
        ))}
      </Form>
      <Links links={[[BRAND.see, `${deps.config.issuer}/`]]} />
    </>,
  )
}

function Text({
  request,
  name,
  value,
  problem,
}: {
  request: SetupRequest
  name: BrandText
  value: string | undefined
  problem: string | undefined
}) {
  const { [name]: fallback } = request.deps.branding.environment
  return (
    <TextField
      label={LABELS[name]}
      name={name}
      value={value}
      maxlength={200}
      placeholder={fallback}
      literal={name !== 'product' && name !== 'organization'}
      hint={
        problem === undefined ? undefined : <strong class="wrong">{BRAND.wrong(problem)}</strong>
      }
    />
  )
}

const Picture = ({
  name,
  isSaved,
  problem,
}: {
  name: BrandImage
  isSaved: boolean
  problem: string | undefined
}) => (
  <div class="field">
    <label for={name}>{IMAGE_LABELS[name]}</label>
    <input
      type="file"
      id={name}
      name={name}
      accept="image/png,image/webp"
      aria-describedby={`${name}-hint`}
    />
    <p class="soft small" id={`${name}-hint`}>
      {problem === undefined ? null : <strong class="wrong">{BRAND.wrongImage(problem)}</strong>}
      {BRAND.image(LARGEST_IMAGE / 1000, isSaved)}
    </p>
    {isSaved ? <Tick name={`${name}-remove`} label={BRAND.remove(IMAGE_LABELS[name])} /> : null}
  </div>
)

export async function saveBrand(request: SetupRequest, form: FormData): Promise<Response> {
  const { deps, c } = request
  const saved = await deps.branding.saved()
  const typed: Typed = { texts: {}, problems: {} }
  const images: Branding['images'] = {}
  for (const name of BRAND_TEXTS) readText(name, form, typed)
  for (const name of BRAND_IMAGES) {
    const read = await readPicture(name, form)
    const kept = form.get(`${name}-remove`) === 'yes' ? undefined : saved.images[name]
    if (typeof read === 'string') typed.problems[name] = read
    const image = typeof read === 'string' ? undefined : (read ?? kept)
    if (image !== undefined) images[name] = image
  }
  if (Object.keys(typed.problems).length > 0) return brandingPage(request, typed)
  const details = { texts: typed.texts, images: Object.keys(images) }
  await recordStep(request, { act: 'branding.change', target: 'branding', details }, () =>
    deps.branding.save({ texts: typed.texts, images }),
  )
  return redirectTo(c, `${BRANDING}?result=saved`)
}

function readText(name: BrandText, form: FormData, { texts, problems }: Typed): void {
  const value = form.get(name)
  const text = typeof value === 'string' ? value.trim() : ''
  if (text === '') return
  texts[name] = text
  const problem = brandTextProblem(name, text)
  if (problem !== undefined) problems[name] = problem
  else if (name === 'accent' || name === 'background')
    texts[name] = SETTINGS.look[name].schema.parse(text)
}

/**
 * Returns the uploaded image, a text that names its problem, or undefined if no file was chosen.
 */
async function readPicture(name: BrandImage, form: FormData) {
  const file = form.get(name)
  if (!(file instanceof File) || file.size === 0) return undefined
  return imageOf(Buffer.from(await file.arrayBuffer()))
}
