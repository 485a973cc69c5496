// Shows times in the reader's time zone: those of users' pages in their language, and those of the
// console before the time in UTC, with which an operator compares logs.
{
  const MOMENT = {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    hour: '2-digit',
    minute: '2-digit',
  }
  const inWords = (at, { locale, today }) =>
    at.toDateString() === new Date().toDateString()
      ? [today, at.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit' })].join(' ')
      : new Intl.DateTimeFormat(locale, MOMENT).format(at)

  const DAY = { day: 'numeric', month: 'short', year: 'numeric' }
  /**
   * Shows a time in the reader's time zone, with UTC beside it.
   * @param {Date} at
   * @param {HTMLTimeElement} time
   */
  const besideUtc = (at, time) => {
    if (at.getTimezoneOffset() === 0) return
    /** Returns the day. @param {string} [timeZone] the reader's by default */
    const day = (timeZone) => at.toLocaleDateString('en-GB', { ...DAY, timeZone })
    const utc = document.createElement('small')
    const isSameDay = day() === day('UTC')
    utc.textContent = isSameDay ? time.textContent.slice(-12) : time.textContent
    const clock = at.toLocaleTimeString('en-GB')
    const isToday = at.toDateString() === new Date().toDateString()
    time.replaceChildren(isToday ? clock : `${day()} ${clock}`, ' ', utc)
  }

  // A global function, for the script that updates parts of a page.
  globalThis.showTimes = (page) => {
    for (const time of page.querySelectorAll('time[data-locale]'))
      time.textContent = inWords(new Date(time.dateTime), time.dataset)
    for (const time of page.querySelectorAll('time[data-utc]'))
      besideUtc(new Date(time.dateTime), time)
  }
  showTimes(document)
}
