/**
 * The summary of each act, for the document of the API and for the help of `cmb`. It imports
 * nothing, because each `cmb` command loads it.
 */
export const SUMMARIES = {
  'GET /clients': 'List the registered clients',
  'GET /clients/:id': 'Show the registration of one client',
  'POST /clients': 'Register a client; its secret is shown only now',
  'PATCH /clients/:id':
    'Change the given fields of a registration and keep the others; a list replaces the former list, null removes a field',
  'DELETE /clients/:id': 'Remove a client, revoke what it holds, and send it logout tokens',
  'POST /clients/:id/secrets':
    'Make another secret, shown only now; the former one stays valid, a third secret removes the first',
  'DELETE /clients/:id/secrets/:secret':
    'Remove one secret of a client at once, by its id; the registration lists them, the older first',
  'GET /sessions': 'List live sessions, newest first',
  'GET /sign-ins':
    'List rejected sign-ins, newest first, with what their users read and what to do, and count the accepted ones',
  'GET /reports':
    'List what users reported in the last 7 days as lost, stolen or not theirs, newest first',
  'POST /reports/:id/done': 'Mark a report as acted on: it leaves the lists of what to do',
  'GET /search':
    'Find users, clients, sessions, revocations, rejected sign-ins and cases; a name by the beginnings of its words',
  'POST /revocations':
    'Revoke sessions and tokens: effective at once, with a logout token for every instance that took part',
  'GET /revocations': 'List revocations, newest first',
  'GET /revocations/:seq':
    'Show one revocation: its signed receipt, and each delivery with its attempts',
  'GET /revocations/:seq/receipt':
    'Show what each client has confirmed of a revocation, tokens and own sessions, or by when they end; signed',
  'GET /revocations/:seq/evidence':
    'Export signed evidence of one revocation, one JSON object a line; cmb evidence verify checks it without the broker',
  'GET /users/evidence':
    'Export signed evidence of the revocations of one user in a period, one JSON object a line; cmb evidence verify checks it without the broker',
  'POST /locks': 'Lock a user, a tenant or a client at once',
  'GET /locks': 'List locks, newest first',
  'GET /locks/:id': 'Show one lock',
  'POST /locks/:id/lift': 'Lift a lock: its target may sign in again',
  'GET /deliveries': 'List deliveries, newest first',
  'GET /deliveries/:id{.{8,}}': 'Show one delivery with its attempts',
  'POST /deliveries/redrive':
    'Retry rejected and failed deliveries: one, those of a client, of a logout address or of a revocation, or all',
  'POST /deliveries/try':
    'Make the next attempt of a pending delivery now; other deliveries keep their order and their times',
  'POST /deliveries/close':
    'Close pending, rejected and failed deliveries, with a reason: the broker no longer sends them',
  'POST /microsoft-work/redrive':
    'Retry requests to Microsoft that failed for a day: of one tenant, or all',
  'GET /streams': 'List streams of Shared Signals receivers',
  'GET /streams/:id': 'Show one stream',
  'POST /streams/:id/disable':
    'Disable a stream and close its pending deliveries; the receiver gets the reason',
  'DELETE /streams/:id': 'Remove a stream and close its pending deliveries',
  'GET /keys':
    'List signing keys: next (published ahead), active (signs), retiring (still published), retired',
  'POST /keys/rotate':
    'Publish the next key, use it, or replace the active one at once; the broker does the first every 90 days by itself',
  'POST /keys/:kid/retire':
    'Stop publishing a key at once: from now on every token that it signed is rejected',
  'GET /tenants': 'List the Microsoft tenants whose users may sign in',
  'POST /tenants':
    'Connect a tenant; its users can sign in once its proof of MFA is chosen and it has consented',
  'PATCH /tenants/:tid':
    'Change a tenant’s name, its limit on the age of an authentication, who administers its users, or whom they ask for help; what is left out stays',
  'DELETE /tenants/:tid':
    'Remove a tenant: sign its users out everywhere, and reject their sign-ins',
  'POST /tenants/:tid/probe/resume':
    'End what the alarm of a tenant’s probe holds back; withdrawn assignments then end sessions',
  'GET /audit': 'List what operators did, newest first, or rising with `after`',
  'GET /audit/evidence':
    'Export signed evidence of a range of the audit log, one JSON object a line; cmb evidence verify checks it without the broker',
  'POST /users/export':
    'Export what the broker holds about a user, in pages: send `next` back until it is null',
  'POST /users/erase':
    'Sign a user out everywhere, then delete their name, username, email, devices and Microsoft data; ids stay',
  'POST /backup':
    'Copy the whole store into a new file while the broker serves; its secrets stay sealed under BROKER_SECRET',
  'POST /fresh-sign-in/waivers':
    'For some hours, let a user or a tenant’s users sign in without the password that revocations up to now demand',
  'POST /setup/token':
    'Make a one-time token for /setup, where an operator connects the broker to Microsoft',
  'GET /status':
    'Show what is wrong, the worst first, what is up, and which deliveries are pending',
  'POST /problems/:id/hide':
    'Hide a problem that does not need you now: for 30 days, or until its words change',
  'POST /problems/:id/unhide': 'Show a hidden problem again',
  'GET /guards': 'List guards, and how far each enforces the log',
  'GET /doctor': 'Run every check, as cmb doctor does',
  'GET /webhooks': 'List webhook endpoints',
  'GET /webhooks/:id': 'Show one webhook endpoint',
  'POST /webhooks': 'Add a webhook endpoint; its secret is shown only now',
  'PATCH /webhooks/:id':
    'Change the given fields of a webhook endpoint; disabling it closes pending deliveries',
  'DELETE /webhooks/:id': 'Remove a webhook endpoint and close its pending deliveries',
  'POST /webhooks/:id/secrets':
    'Make a new secret of a webhook endpoint, shown only now; both sign until the overlap ends',
  'POST /webhooks/:id/test': 'Send a test event to a webhook endpoint, whichever events it gets',
} as const
