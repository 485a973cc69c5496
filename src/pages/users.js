// The script of users' pages, which also work without it. It shows times in the reader's time zone,
// copies references, and shows that a click was accepted.
{
  const MOMENT = {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    hour: '2-digit',
    minute: '2-digit',
  }
  for (const time of document.querySelectorAll('time[data-locale]'))
    time.textContent = new Intl.DateTimeFormat(time.dataset.locale, MOMENT).format(
      new Date(time.dateTime),
    )

  for (const button of document.querySelectorAll('button[data-copies]')) {
    if (!navigator.clipboard) continue
    button.hidden = false
    const copy = async () => {
      await navigator.clipboard.writeText(
        document.getElementById(button.dataset.copies).textContent,
      )
      button.textContent = button.dataset.copied
    }
    button.addEventListener('click', () => void copy())
  }

  const busy = (element) => {
    element.classList.add('busy')
    element.setAttribute('aria-busy', 'true')
  }
  document.addEventListener('submit', ({ submitter }) => {
    if (submitter) busy(submitter)
  })
  for (const link of document.querySelectorAll('a.microsoft'))
    link.addEventListener('click', (event) => {
      if (!event.ctrlKey && !event.metaKey && !event.shiftKey) busy(link)
    })
  // The Back button shows the page from the cache, with the button still busy.
  addEventListener('pageshow', ({ persisted }) => {
    if (!persisted) return
    for (const element of document.querySelectorAll('.busy')) {
      element.classList.remove('busy')
      element.removeAttribute('aria-busy')
    }
  })
}
