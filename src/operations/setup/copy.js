// A button beside each value that copies it. Without scripts the value can be selected.
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
