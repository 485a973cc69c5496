// Updates the preview while the user types. The broker validates the values again on save.
{
  const preview = document.getElementById('preview')
  const field = (name) => document.getElementById(name)
  const luminance = (color) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const part = Number.parseInt(color.slice(at, at + 2), 16) / 255
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b)
    return (light + 0.05) / (dark + 0.05)
  }

  const say = (id, text, fallback) => {
    const part = document.getElementById(id)
    if (part) part.textContent = text || fallback
  }
  const measure = (name, property, beside, shown) => {
    const color = (field(name).value || field(name).placeholder).toLowerCase()
    const known = /^#[0-9a-f]{6}$/.test(color)
    if (known) preview.style.setProperty(property, color)
    const ratio = known ? contrast(color, beside) : 0
    say(
      shown,
      known
        ? `${ratio.toFixed(1)}:1 (text needs ${preview.dataset.needs}:1)`
        : 'not a color such as #1d4ed8',
      '',
    )
  }
  const follow = () => {
    const product = field('product')
    for (const part of document.querySelectorAll('[data-shows="product"]'))
      part.textContent = product.value || product.placeholder
    say('preview-organization', field('organization').value, field('organization').placeholder)
    measure('accent', '--act', preview.dataset.ground, 'preview-contrast')
    measure('background', '--ground', preview.dataset.text, 'preview-background')
  }
  document.addEventListener('input', follow)

  const picture = document.getElementById('preview-logo')
  field('logo').addEventListener('change', ({ target }) => {
    const [file] = target.files
    if (!file) return
    const reader = new FileReader()
    reader.addEventListener('load', () => {
      picture.src = reader.result
      picture.hidden = false
      document.getElementById('preview-mark').hidden = true
    })
    reader.readAsDataURL(file)
  })
  follow()
}
