// The script of users' pages, which also work without it. It groups a history by the reader's days,
// copies references and messages, shows that a click was accepted, and leaves an account page when
// the user is signed out elsewhere.
{
  // The lines of a history move beneath the days of the reader's time zone.
  const days = document.querySelector('.days')
  if (days) {
    const nameOf = new Intl.DateTimeFormat(days.dataset.locale, {
      weekday: 'long',
      day: 'numeric',
      month: 'long',
    })
    const clock = new Intl.DateTimeFormat(days.dataset.locale, {
      hour: '2-digit',
      minute: '2-digit',
    })
    const lines = [...days.querySelectorAll('li')]
    days.replaceChildren()
    let [name, list] = ['']
    for (const line of lines) {
      const time = line.querySelector('time[data-clock]')
      const at = new Date(time.dateTime)
      time.textContent = clock.format(at)
      if (nameOf.format(at) !== name) {
        name = nameOf.format(at)
        const heading = document.createElement('h2')
        heading.textContent = name.replace(',', '')
        list = document.createElement('ul')
        days.append(heading, list)
      }
      list.append(line)
    }
  }

  // A hidden page asks as soon as it is visible again, because browsers delay its timers till then.
  const tabs = document.querySelector('.tabs')
  const look = async () => {
    const signal = AbortSignal.timeout(5000)
    const answer = document.hidden
      ? undefined
      : await fetch('/account/live', { signal }).catch(() => undefined)
    if (answer?.status === 403) location.replace(tabs.dataset.start)
    else setTimeout(() => void look(), 700)
  }
  if (tabs) void look()

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
