// The browser may show this page again as it was left, without asking the broker: then it is loaded
// again, because its form may have been sent since.
addEventListener('pageshow', (event) => {
  if (event.persisted) location.reload()
})
