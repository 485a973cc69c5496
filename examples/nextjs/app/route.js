export const GET = () =>
  new Response('<a href="/login">Sign in with Microsoft</a>', {
    headers: { 'content-type': 'text/html' },
  })
