/**
 * The console's one script, a constant: the policy allows it by its hash. Told that something changed, it fetches the page it stands in and
 * puts the live parts of that in the place of those shown; a part in which the reader is at work is left alone.
 */
export const LIVE_SCRIPT = `{
  const state = document.getElementById('live-state')
  const say = (words) => { if (state && state.textContent !== words) state.textContent = words }
  let busy = false
  let again = false
  const renew = async () => {
    if (busy) { again = true; return }
    busy = true
    const answer = await fetch(location.href).catch(() => undefined)
    if (answer && !answer.ok && answer.status < 500) return location.reload()
    if (answer?.ok) {
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html')
      for (const shown of document.querySelectorAll('[data-live]')) {
        const now = next.getElementById(shown.id)
        if (now && now.innerHTML !== shown.innerHTML && !shown.contains(document.activeElement)) shown.replaceChildren(...now.childNodes)
      }
    }
    busy = false
    if (again) { again = false; setTimeout(renew, 300) }
  }
  const source = new EventSource('/ops/live')
  source.addEventListener('open', () => { say('Live.'); renew() })
  source.addEventListener('changed', renew)
  source.addEventListener('over', () => { source.close(); location.reload() })
  source.addEventListener('error', () => say('Not live at the moment: the broker does not answer.'))
}`
