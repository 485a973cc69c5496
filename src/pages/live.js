// Updates the parts of a page that have the attribute data-live: fetches the page again and
// replaces the parts that changed. A part that has the focus is not replaced. Attributes of the
// script say when: data-events is the address of a stream of changes, data-seconds how long to
// repeat.
{
  const { events, seconds } = document.currentScript.dataset
  const state = document.getElementById('live-state')
  const say = (words) => {
    if (state && state.textContent !== words) state.textContent = words
  }

  /**
   * Fetches the page and replaces the parts that changed.
   * @returns the new page, and whether a part was skipped; undefined if the page was not available
   */
  const renew = async () => {
    const answer = await fetch(location.href).catch(() => undefined)
    if (answer && !answer.ok && answer.status < 500) location.reload()
    const html = answer?.ok ? await answer.text().catch(() => undefined) : undefined
    if (html === undefined) return undefined
    const next = new DOMParser().parseFromString(html, 'text/html')
    globalThis.showTimes?.(next)
    document.title = next.title
    let skipped = false
    for (const shown of document.querySelectorAll('[data-live]')) {
      const now = next.getElementById(shown.id)
      if (!now || now.innerHTML === shown.innerHTML) continue
      if (shown.contains(document.activeElement)) skipped = true
      else shown.replaceChildren(...now.childNodes)
    }
    return { next, skipped }
  }

  /** Returns a function that runs the act once at a time. A call while it runs causes one more. */
  const oneAtATime = (act) => {
    let busy = false
    let again = false
    const run = async () => {
      if (busy) {
        again = true
        return
      }
      busy = true
      again = false
      await act()
      busy = false
      if (again) setTimeout(() => void run(), 300)
    }
    return run
  }

  const followEvents = () => {
    let connected = false
    let skipped = false
    const showState = () =>
      say(state?.dataset[connected ? (skipped ? 'skipped' : 'connected') : 'lost'])
    const renewOnce = oneAtATime(async () => {
      const renewed = await renew()
      if (renewed) skipped = renewed.skipped
      showState()
    })
    const source = new EventSource(events)
    source.addEventListener('open', () => {
      connected = true
      showState()
      void renewOnce()
    })
    source.addEventListener('changed', () => void renewOnce())
    source.addEventListener('over', () => {
      source.close()
      location.reload()
    })
    source.addEventListener('error', () => {
      connected = false
      showState()
    })
    // A part that was skipped is updated as soon as it loses the focus.
    document.addEventListener('focusout', ({ target, relatedTarget }) => {
      if (skipped && !target.closest?.('[data-live]')?.contains(relatedTarget))
        setTimeout(() => void renewOnce(), 0)
    })
  }

  /** Updates once a second until the new page does not request it any more, or until `end`. */
  const followUntil = async (end) => {
    const renewed = await renew()
    const done = renewed && !renewed.next.querySelector('[data-seconds]')
    if (!done && performance.now() < end) setTimeout(() => void followUntil(end), 1000)
  }

  if (events) followEvents()
  else void followUntil(performance.now() + Number(seconds) * 1000)
}
