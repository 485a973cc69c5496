// Keeps the parts of a page that are marked data-live current: fetches the page again and replaces
// the parts that changed. A part in which the reader is at work is left alone. The script's
// attributes say when: data-events names a stream of changes, data-seconds for how long to look.
{
  const { events, seconds } = document.currentScript.dataset
  const state = document.getElementById('live-state')
  const say = (words) => {
    if (state && state.textContent !== words) state.textContent = words
  }

  /**
   * @returns the page as it is now, and whether a part was left as it was; undefined where the page
   * could not be had
   */
  const renew = async () => {
    const answer = await fetch(location.href).catch(() => undefined)
    if (answer && !answer.ok && answer.status < 500) location.reload()
    const html = answer?.ok ? await answer.text().catch(() => undefined) : undefined
    if (html === undefined) return undefined
    const next = new DOMParser().parseFromString(html, 'text/html')
    let skipped = false
    for (const shown of document.querySelectorAll('[data-live]')) {
      const now = next.getElementById(shown.id)
      if (!now || now.innerHTML === shown.innerHTML) continue
      if (shown.contains(document.activeElement)) skipped = true
      else shown.replaceChildren(...now.childNodes)
    }
    return { next, skipped }
  }

  /**
   * @returns the act, not begun while it is under way: what is asked for meanwhile is one more
   * afterwards
   */
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
    const sayHow = () =>
      say(state?.dataset[connected ? (skipped ? 'skipped' : 'connected') : 'lost'])
    const renewOnce = oneAtATime(async () => {
      const renewed = await renew()
      if (renewed) skipped = renewed.skipped
      sayHow()
    })
    const source = new EventSource(events)
    source.addEventListener('open', () => {
      connected = true
      sayHow()
      void renewOnce()
    })
    source.addEventListener('changed', () => void renewOnce())
    source.addEventListener('over', () => {
      source.close()
      location.reload()
    })
    source.addEventListener('error', () => {
      connected = false
      sayHow()
    })
    // A part that was left alone is made current as soon as the reader leaves it.
    document.addEventListener('focusout', ({ target, relatedTarget }) => {
      if (skipped && !target.closest?.('[data-live]')?.contains(relatedTarget))
        setTimeout(() => void renewOnce(), 0)
    })
  }

  /** Once a second, while a part still shows something that waits. */
  const followUntil = async (end) => {
    const renewed = await renew()
    const done = renewed && !renewed.next.querySelector('[data-live] .wait')
    if (!done && performance.now() < end) setTimeout(() => void followUntil(end), 1000)
  }

  if (events) followEvents()
  else void followUntil(performance.now() + Number(seconds) * 1000)
}
