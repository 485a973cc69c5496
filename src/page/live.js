// Keeps the parts of a page that are marked data-live current: fetches the page again and replaces the parts that changed. A part in which the
// reader is at work is left alone. The script's attributes say when: data-events names a stream of changes, data-seconds for how long to look.
{
  const { events, seconds } = document.currentScript.dataset

  /** @returns the page as it is now; undefined where it could not be had */
  const renew = async () => {
    const answer = await fetch(location.href).catch(() => undefined)
    if (answer && !answer.ok && answer.status < 500) location.reload()
    const html = answer?.ok ? await answer.text().catch(() => undefined) : undefined
    if (html === undefined) return undefined
    const next = new DOMParser().parseFromString(html, 'text/html')
    for (const shown of document.querySelectorAll('[data-live]')) {
      const now = next.getElementById(shown.id)
      if (now && now.innerHTML !== shown.innerHTML && !shown.contains(document.activeElement)) shown.replaceChildren(...now.childNodes)
    }
    return next
  }

  const followEvents = () => {
    const state = document.getElementById('live-state')
    const say = (words) => {
      if (state && state.textContent !== words) state.textContent = words
    }
    let busy = false
    let again = false
    const renewOnce = async () => {
      if (busy) {
        again = true
        return
      }
      busy = true
      again = false
      await renew()
      busy = false
      if (again) setTimeout(() => void renewOnce(), 300)
    }
    const source = new EventSource(events)
    source.addEventListener('open', () => {
      say(state?.dataset.connected)
      void renewOnce()
    })
    source.addEventListener('changed', () => void renewOnce())
    source.addEventListener('over', () => {
      source.close()
      location.reload()
    })
    source.addEventListener('error', () => say(state?.dataset.lost))
  }

  /** Once a second, while a part still shows something that waits. */
  const followUntil = async (end) => {
    const next = await renew()
    const done = next && !next.querySelector('[data-live] .wait')
    if (!done && performance.now() < end) setTimeout(() => void followUntil(end), 1000)
  }

  if (events) followEvents()
  else void followUntil(performance.now() + Number(seconds) * 1000)
}
