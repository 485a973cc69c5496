// Adds a button that copies a value. Without scripts the user can select the value.
for (const box of document.querySelectorAll('[data-copy]')) {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'button quiet small'
  button.textContent = 'Copy'
  button.setAttribute('aria-label', 'Copy ' + box.dataset.copy)
  const copy = async () => {
    await navigator.clipboard.writeText(box.querySelector('code').textContent)
    button.textContent = 'Copied'
  }
  button.addEventListener('click', () => void copy())
  box.append(button)
}
