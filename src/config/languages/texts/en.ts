/**
 * Every text of users' pages, in English, grouped by page: messages in ICU MessageFormat.
 * `{product}` is the name under which users know what they sign in to. A text that counts has its
 * forms in `{number, plural, …}`. Other languages are files with the same keys (docs/languages.md).
 */

export const en = {
  layout: {
    skip: 'Skip to the content',
    help: 'Help',
    helpAt: 'Help: {where}',
    privacy: 'Privacy',
    terms: 'Terms of use',
    accessibility: 'Accessibility',
    languages: 'Language',
    simulatedLabel: 'Simulated',
    simulated: 'Microsoft is simulated here, for trying and testing. No real account is used.',
  },

  shared: {
    signOut: 'Sign out',
    signInAgain: 'Sign in again',
    whereSignedIn: 'Where you are signed in',
    switchAccount: 'Switch to another account in this browser',
    signInWithMicrosoft: 'Sign in with Microsoft',
    noApps: 'Signed in to no app',
    continue: 'Continue',
    requestUnusable: 'That request cannot be used',
    trouble: 'Trouble signing in? {link}',
    checkAccount: 'Check your account',
    unnamedUser: 'a user whose name Microsoft did not send',
    justNow: 'just now',
    today: 'today at',
    deviceOn: '{browser} on {system}',
    /**
     * One name of a list, and the separator of two. Languages from right to left isolate the name.
     */
    listItem: '{name}',
    listSeparator: ', ',
  },

  /** Why a user was signed out, on every page that says so. */
  ended: {
    signed_out: 'You signed out.',
    signed_out_remotely:
      'You used another device to sign out. If you did not, tell your IT administrator.',
    signed_out_everywhere: 'You signed out everywhere.',
    replaced:
      'Another person used the same browser to sign in, so you were signed out in it. They cannot use your account.',
    session_limit:
      'You signed in on another device, and can be signed in on a limited number of devices only.',
    administrator: 'An administrator signed you out.',
    locked: 'Your access to {product} was locked, so you were signed out.',
    account:
      'Your organization has switched off your account or your access to {product}. You cannot sign in until it is switched on again. Contact your IT administrator.',
    expired:
      'You were signed out automatically, because you were not active or had been signed in for too long.',
    ended_elsewhere:
      'You were signed out from elsewhere. If you did not expect this, tell your IT administrator.',
  },

  nav: {
    label: 'Your account',
    apps: 'Your apps',
    history: 'Security history',
    ready: 'Check your account',
  },

  home: {
    title: 'Your apps',
    intro: 'Sign in once with your work account, and open every {product} of your organization.',
    noAddress: 'Open it the way you always do.',
    devices: '{devices, plural, one {Signed in on # device} other {Signed in on # devices}}',
    since: 'since {at}',
    agreed: 'Agreed on',
    may: 'It may',
    end: 'Sign out of this app on every device',
    endOf: 'Sign out of this app on every device: {app}',
    ended: 'You are signed out of {app} on every device',
    endedHint:
      'On each device where you are still signed in to {product}, the app opens again without asking. If a device is lost, or others use it, sign out on it too.',
    notSaved: { title: 'Nothing was changed', what: 'You were not signed out of the app.' },
  },

  nothing: {
    title: 'This link leads to no page',
    what: 'The link is incomplete or out of date.',
    home: 'Go to your apps',
  },

  answer: { yes: 'Yes.', no: 'No.', warning: 'Not fully.', unknown: 'Not known yet.' },

  message: {
    copy: 'Copy the reference',
    copied: 'Copied',
    reference: 'If you ask for help, give the reference {reference}.',
  },

  errors: {
    notShownTitle: 'This page cannot be shown right now',
    notShown: 'Its content could not be read. Nothing was changed.',
    tryInAMoment: 'Try again in a moment. If the problem stays, tell your IT administrator.',
    bugTitle: 'Something went wrong here',
    bug: 'This page could not be shown. The fault is ours and has been logged.',
    tryAgain: 'Try again. If it happens again, tell your IT administrator.',
    appAsked:
      'The app that sent you here asked for something that cannot be done here. Your account is not the cause.',
    appAskedNext:
      'Go back to the app and try again. If it happens again, tell your IT administrator.',
    tooManyTitle: 'Too many requests',
    tooMany: 'Too many requests came from your network. Wait a moment, then try again.',
    detail: 'For your IT administrator: {detail}',
    tooLong: 'Nothing was changed: the request is longer than allowed.',
  },

  signIn: {
    title: 'Sign in',
    toApp: 'Sign in with your work account to continue to {name}.',
    toAccount:
      'Sign in with your work account. Then you see where you are signed in, and can open your apps.',
    toReady: 'Sign in with your work account to check that it is ready.',
    toApps: 'Sign in with your work account to see your apps.',
    toTenant: 'Sign in with your work account to administer the users of your organization.',
    unlocked: 'Your access is open again.',
    proveAgain: 'When you sign in again, Microsoft asks you to confirm that it is you.',
    replaces:
      'You are signed in as {who}. When another user signs in, you are signed out in this browser.',
    notSaved: {
      title: 'You are not signed in yet',
      what: 'Your sign-in could not be saved, so nothing was changed.',
    },
  },

  /** Pages for a sign-in that Microsoft or the broker rejected. */
  guidance: {
    sign_in_again: {
      title: 'Please sign in again',
      read: ['Microsoft asks you to sign in again before you can continue.'],
    },
    account_disabled: {
      title: 'This account cannot sign in',
      read: [
        'Your organization has switched this account off. Only your IT administrator can switch it on again.',
      ],
    },
    another_account: {
      title: 'Please use another account',
      read: [
        'This account does not belong to an organization that uses {product} here. Sign in with your work account.',
      ],
    },
    personal_account: {
      title: 'Please use your work account',
      read: [
        'Personal Microsoft accounts cannot be used for {product}. Sign in with the account that your organization gave you.',
      ],
    },
    tenant_not_connected: {
      title: 'Please use another account',
      read: [
        'The organization of this account is not connected to {product} here. Sign in with another work account, or ask your IT administrator.',
      ],
    },
    step_up: {
      title: 'Microsoft asks for one more step',
      read: [
        'Your organization wants you to confirm your sign-in, for example with your authenticator app. Please try again and follow what Microsoft asks.',
      ],
    },
    enrol_mfa: {
      title: 'Set up two-step verification first',
      read: [
        'Your account has no two-step verification (authenticator app) yet. Set it up at Microsoft, then come back and try again.',
      ],
    },
    mfa_not_proved: {
      title: 'Two-step verification is needed',
      read: [
        'Microsoft did not confirm that you used two-step verification (authenticator app). {product} requires it for every sign-in.',
        'If your account has no two-step verification yet, set it up and try again. If you have just used it, tell your IT administrator.',
      ],
    },
    freshness_not_proved: {
      title: 'Please sign in again',
      read: [
        'This step needs a fresh sign-in, and Microsoft did not confirm one. Please try again and follow what Microsoft asks. If this page comes back, contact your IT administrator.',
      ],
    },
    other_user: {
      title: 'That was another account',
      read: [
        'The app asked for the account that was signed in before, and you used another one. Please try again with that account.',
      ],
    },
    locked: {
      title: 'Your account is locked for now',
      read: [
        'Microsoft has locked this account, usually after too many attempts. Please wait a while, then try again.',
      ],
    },
    blocked_by_policy: {
      title: 'Your organization does not allow this sign-in',
      read: [
        'A policy of your organization does not allow signing in from this device, place or app. Ask your IT administrator what is needed.',
      ],
    },
    not_assigned: {
      title: 'You have no access yet',
      read: ['Your account has no access to {product} yet. Ask your IT administrator for it.'],
    },
    not_assigned_here: {
      title: 'You have no access here',
      read: [
        'You are signed in, but your account may not use this {product} instance. Ask your IT administrator for access, or use another account.',
      ],
    },
    user_locked: {
      title: 'Your access to {product} is locked',
      read: ['Your access has been locked, so you cannot sign in.'],
    },
    tenant_locked: {
      title: 'Your organization’s access to {product} is locked',
      read: ['The access of your whole organization has been locked, so you cannot sign in.'],
    },
    client_locked: {
      title: 'This {product} instance is locked',
      read: [
        'The instance that you want to open has been locked, so no user can sign in to it. Your account is not the cause.',
        'Ask your IT administrator when it is available again.',
      ],
    },
    consent: {
      title: 'Your agreement is needed',
      read: [
        'Microsoft asks whether {product} may read your basic profile. Please try again and accept. If Microsoft does not let you, your IT administrator has to accept for everyone: send them the message below.',
      ],
    },
    declined: {
      title: 'You are not signed in yet',
      read: [
        'The sign-in at Microsoft was not finished. You can try again, or go back.',
        'Did Microsoft say “Need admin approval”? Then it does not help to try again: your IT administrator has to allow {product} first. Send them the message below.',
      ],
    },
    admin_consent: {
      title: 'Contact your IT administrator',
      read: [
        'You need to contact your IT administrator. An extra setup action remains to be done.',
        'Your organization has to allow {product} once. Nothing is wrong with your account. Send the message below, and sign in again when it is done.',
      ],
    },
    redirect_mismatch: {
      title: '{product} is not set up correctly',
      read: [
        'This is not your fault: the sign-in address is not registered at Microsoft. Please tell your IT administrator.',
      ],
    },
    app_missing: {
      title: '{product} is not set up in your organization',
      read: [
        'This is not your fault: {product} is not set up, or is switched off, at Microsoft. Send your IT administrator the message below.',
      ],
    },
    credential: {
      title: 'Sign-in is not possible right now',
      read: [
        'This is not your fault: {product} cannot identify itself to Microsoft. Please try again later, or tell your IT administrator.',
      ],
    },
    loop: {
      title: 'Too many attempts in a row',
      read: [
        'Microsoft has seen too many sign-ins in a row. Please wait some minutes, then try again.',
      ],
    },
    outage: {
      title: 'Microsoft cannot be reached right now',
      read: ['Please try again in a moment. If you’re already signed in, you still are.'],
    },
    clock_wrong: {
      title: 'Sign-in is not possible right now',
      read: [
        'This is not your fault: the clock of {product} is wrong. Please try again in a moment. If you’re already signed in, you still are.',
      ],
    },
    untrusted_token: {
      title: 'The sign-in could not be verified',
      read: [
        'Microsoft’s answer could not be verified, so you are not signed in. Please try again. If it happens again, tell your IT administrator.',
      ],
    },
    unknown: {
      title: 'The sign-in did not work',
      read: [
        'Microsoft could not sign you in. Please try again. If it happens again, send your IT administrator the message below.',
      ],
    },
  },

  /** Who locked the user, and until when. */
  lock: {
    byOrganization: 'Your IT administrator locked it.',
    byOperator: 'The operator of {product} locked it, and not your organization.',
    until: 'The lock ends {at}. Then sign in again; trying earlier does not help.',
    untilLifted: 'It stays locked until it is unlocked. Trying earlier does not help.',
  },

  offers: {
    contact: 'Contact your IT administrator',
    try_again: 'Try again',
    another_account: 'Use another account',
    granting_consent: 'Granting consent (for IT administrators)',
    set_up_mfa: 'Set up at Microsoft',
  },

  /** A message to the user's administrator. */
  contact: {
    subject: 'I cannot sign in to {app}',
    message: 'I cannot sign in to {app}. The page says: “{title}”.',
    account: 'Account: {account}',
    time: 'Time: {time}',
    reference: 'Reference: {reference}',
    named: 'Contact {name}',
    telephone: 'Telephone: {telephone}',
    whom: 'Ask the team that looks after computers or accounts in your organization, such as the IT help desk, or your manager.',
    toSend: 'The message for your IT administrator:',
    copy: 'Copy the message',
  },

  /** Before a further authentication at Microsoft. */
  onceMore: {
    title: 'Confirm once more that it is you',
    because:
      'You have just signed in, and only now do we know who you are. After what happened, Microsoft has to confirm once more that it is you: one time, and in this browser only. You did nothing wrong. If you did not expect this, tell your IT administrator.',
    what: 'You have just signed in. To be sure that it is you and no other person, we ask Microsoft once more: one time, and in this browser only. You did nothing wrong.',
  },

  /** A sign-in that cannot be continued. */
  stale: {
    used: {
      title: 'This sign-in is already finished',
      why: 'It may have been finished in another tab, or you went back in your browser.',
    },
    signedIn: {
      title: 'You are already signed in',
      why: 'You signed in in another tab, or you went back in your browser.',
    },
    late: { title: 'Your sign-in timed out', why: 'It was not finished in time. Start it again.' },
    elsewhere: {
      title: 'This sign-in was started in another browser',
      why: 'It can only be finished in the browser that started it.',
    },
    forgotten: {
      title: 'This browser did not keep the sign-in',
      why: 'The sign-in was started in another browser, or this browser does not accept cookies.',
    },
    allowCookies: 'Allow cookies for {host}, then start again.',
    foreign: {
      title: 'This sign-in cannot be continued',
      why: 'The link is incomplete, or it is not from us.',
    },
    startAtApp: 'Open {product} the way you always do, and sign in there.',
  },

  /** The sign-in page before the connection to Microsoft, for the operator who opens it first. */
  notConnected: {
    title: 'Sign-in is not set up yet',
    missing:
      '{product}’s identity broker is running, but it is not connected to Microsoft. Users cannot sign in until its operator sets:',
    operator:
      'Are you its operator? Open {setup} at the operators’ address of this broker: it takes you through the steps, and {setupCommand} prints what you need to get in. Or set what is missing and restart the broker. {doctor} checks every setting.',
  },

  grantingConsent: {
    title: 'Granting consent',
    forAdministrators:
      'For IT administrators. If you are not one, send them this page: you need do nothing else.',
    intro:
      'An extra setup action remains to be done: your organization has to allow {product} to sign its users in. You do it once, for everyone.',
    asked: 'Microsoft lists what {product} asks for:',
    asks: {
      signIn: 'Sign users in, and read their name and address:',
      accounts: 'See when an account is switched off or deleted, so that its access ends:',
      signOut: 'Sign users out of Microsoft 365 when they ask for it, or report a device:',
      risk: 'See when Microsoft finds an account at risk, so that its access ends:',
    },
    who: 'You need to be a Global Administrator or a Privileged Role Administrator. You allow it for the organization of the account that you use at Microsoft.',
    open: 'Open the Microsoft Entra admin center as a Global Administrator or a Privileged Role Administrator.',
    find: 'Go to Enterprise applications and open {product}.',
    findById: 'Go to Enterprise applications and open {product} (application id {id}).',
    grant: 'Under Security choose Permissions, then “Grant admin consent”.',
    grantedTitle: 'Consent is granted',
    granted: 'Microsoft says that your organization now allows {product}.',
    grantedFor: 'Microsoft says that the organization {id} now allows {product}.',
    stillRejected:
      'If users still cannot sign in, tell the operator of {product} that your organization has granted consent.',
    rejectedTitle: 'Consent was not granted',
    declined: 'The request was declined at Microsoft, so nothing has changed. You can try again.',
    rejected:
      'Microsoft did not accept it, so nothing has changed. The account that you used there may lack the role that is needed.',
    tell: 'Ask your users to sign in again.',
    atMicrosoft: 'Grant consent at Microsoft',
    orBySteps: 'Or in the Microsoft Entra admin center:',
    subject: 'Please allow {product} for our organization',
    message:
      'I cannot sign in to {product}: an IT administrator has to allow it for our organization once. This page says how: {address}',
  },

  consent: {
    title: 'Do you allow {app} to do this?',
    scopes: {
      openid: 'Recognize you when you come back',
      profile: 'See your name and your user name at Microsoft',
      email: 'See your email address',
      offline_access: 'Keep you signed in',
    },
    signedInAs: 'You are signed in as {who}.',
    unnamed: 'your Microsoft account',
    allow: 'Allow',
    deny: 'Do not allow',
  },

  reply: {
    title: 'Returning to {product}',
    noScript: 'If nothing happens, continue yourself.',
    back: 'Go back to {app}',
  },

  /** A computer that several users share. */
  sharedComputer: {
    use: 'Sign in on a shared computer',
    tag: 'Shared computer',
    hint: '{minutes, plural, one {Then you are signed out after # minute without use. If Microsoft asks “Stay signed in?”, choose “No”.} other {Then you are signed out after # minutes without use. If Microsoft asks “Stay signed in?”, choose “No”.}}',
    on: '{minutes, plural, one {This is a shared computer. You are signed out after # minute without use and when you close the browser. If Microsoft asks “Stay signed in?”, choose “No”.} other {This is a shared computer. You are signed out after # minutes without use and when you close the browser. If Microsoft asks “Stay signed in?”, choose “No”.}}',
    own: 'This is my own computer',
    ends: '{minutes, plural, one {Signed out after # minute without use} other {Signed out after # minutes without use}}, and no later than {at}.',
    signOut: 'This is a shared computer: next, you sign out of Microsoft 365 too.',
  },

  signOut: {
    title: 'Sign out?',
    signedInAs: 'Signed in as {who} on {device}.',
    question: 'Where do you want to sign out of {product}?',
    device: 'On this device',
    noApps: 'You opened no app in this browser.',
    apps: '{apps} in this browser.',
    everywhere: 'Everywhere',
    everywhereOnlyHere: 'On every device. You are signed in on this one only.',
    everywhereOthers:
      '{others, plural, one {On this device and on one other.} other {On this device and on # others.}}',
    everywhereProof: 'In each browser, your next sign-in starts with your password or your device.',
    microsoft: 'Sign out of Microsoft 365 too',
    microsoftHint:
      'In this browser: Outlook, Teams and everything else you opened with this account.',
    stay: 'Stay signed in',
    otherUserTitle: 'Another user is signed in here',
    otherUser:
      '{app} asked to sign out another user. In this browser {who} is signed in, and would be signed out.',
    sinceTitle: 'You have signed in again since',
    since:
      'After {app} was open, you signed in again in this browser. If you go on, you are signed out again.',
    oldPageTitle: 'This page is too old',
    oldPage: 'Nothing was changed: the page that you answered has expired.',
    oldPageNext: 'Open the sign-out page again and choose there.',
    notSaved: {
      title: 'You are still signed in',
      what: 'The sign-out could not be saved, so nothing was changed: you are still signed in everywhere.',
    },
    tooLongTitle: 'You cannot be signed out this way',
    tooLong: 'Nothing was changed: the sign-out request is longer than allowed.',
    tooLongNext: 'Sign out here instead.',
  },

  /** Reasons for which the sign-out page asks again. */
  signOutAgain: {
    forged: {
      title: 'Please confirm again',
      text: 'Nothing was changed: your answer did not come from a page that was shown in this browser.',
    },
    other: {
      title: 'You signed in again, or another user did',
      text: 'Nothing was changed: a user has signed in here since you were asked.',
    },
    nothing: {
      title: 'Please choose',
      text: 'Nothing was changed: choose where you want to sign out.',
    },
  },

  /** An app's sign-out request that is not valid. */
  signOutRejected: {
    noticeTitle: 'There was a small technical problem',
    notice:
      'It is not your fault. You can still sign out below; then open {product} again yourself.',
    title: 'You are signed out, but there was a small technical problem',
    what: 'It is not your fault. You are not signed in to {product} in this browser.',
    next: 'To go on, open {product} the way you always do.',
    why: {
      malformed: 'The sign-out request could not be read.',
      hint: 'The sign-out request has an ID token (id_token_hint) that this broker did not issue, or that was changed since.',
      client:
        'The sign-out request names a client (client_id) that is not registered here, or is not the one its ID token was issued to.',
      address:
        'The sign-out request names a return address (post_logout_redirect_uri) that its client has not registered.',
      address_without_client:
        'The sign-out request names a return address (post_logout_redirect_uri) without an id_token_hint or a client_id.',
    },
  },

  signedOut: {
    title: {
      device: 'You are signed out on this device',
      everywhere: 'You are signed out of {product} everywhere',
      none: 'You are not signed in here',
    },
    what: {
      device: 'In this browser you are signed out of:',
      everywhere: 'On every device, you are signed out of:',
      none: 'You are not signed in to {product} in this browser.',
    },
    reload: 'Reload the page to see what has changed.',
    plain: 'You are signed out of {product}.',
    already: 'You were signed out before',
    progress: {
      delivered: 'Signed out',
      accessEnded: 'Access ended',
      sessionEnded: 'Session ended',
      pending: 'Being confirmed…',
      unconfirmed: 'Not confirmed yet',
    },
    allConfirmed:
      '{apps, plural, one {The app has confirmed that you are signed out.} other {All # apps have confirmed that you are signed out.}}',
    ownPages:
      '{app} no longer allows access from your former session. Its own pages may still be open until the app ends its own session.',
    ownPagesUntil:
      '{app} no longer allows access from your former session. Its own pages may still be open until {at}.',
    tokensEnd:
      '{app} has ended its own session. Access from your former session ends there no later than {at}.',
    accessEnds:
      '{app} has not confirmed your sign-out. Access from your former session ends there no later than {at}. Its own pages may still be open until the app ends its own session.',
    allEnds:
      '{app} has not confirmed your sign-out. Access from your former session ends there no later than {at}, its own pages included.',
    unconfirmed:
      'An app that cannot be reached is signed out as soon as it is back. Until then it may show you as signed in.',
    elsewhereTitle:
      '{devices, plural, one {You are still signed in on another device} other {You are still signed in on # other devices}}',
    elsewhere:
      'This device was signed out before you chose. Sign in and open “Where you are signed in” to sign out there too.',
    nextSignIn:
      'Your next sign-in in each browser starts with your password or your device. In a browser that is new here you may be asked twice.',
    microsoftNextTitle: 'Signing out of Microsoft 365…',
    microsoftNext:
      'You are signed out of {product}. Microsoft’s page opens now, and then brings you back here.',
    microsoftGo: 'Sign out of Microsoft 365',
    microsoftLeft:
      'You are signed out of Microsoft 365 in this browser too. You can close this window.',
    microsoftOpenTitle: 'Microsoft 365 may still be open',
    microsoftOpen:
      'In this browser you may still be signed in to Outlook, Teams and other Microsoft apps. On a shared computer, sign out there too.',
    microsoftUnreachable:
      'Microsoft could not be reached. Sign out there yourself, for instance in Outlook, or close every window of this browser.',
    back: 'Back to {app}',
    signedInTitle: 'You are signed in',
    signedIn: 'In this browser {who} is signed in to {product}.',
  },

  sessionLimit: {
    title: 'You are signed in on too many devices',
    most: '{most, plural, one {You can be signed in on # device at once. Sign out there to sign in here.} other {You can be signed in on # devices at once. Sign out somewhere to sign in here.}}',
    choose:
      '{count, plural, one {Where do you want to sign out?} other {Choose # devices to sign out}}',
    end: 'Sign out there and sign in here',
    back: 'Do not sign in',
  },

  sessions: {
    thisDevice: 'This device',
    intro:
      'Each entry is one browser on one device. If two have the same name, look at the times: when did you sign in there?',
    since: 'Signed in',
    lastUsed: 'Last used',
    reported: 'Reported: {at}. {device} is signed out of {product}.',
    lost: 'Lost, stolen or not me',
    lostOf: 'Lost, stolen or not me: {what}, {when}',
    endsBy: 'You must sign in again by',
    signOutOf: 'Sign out {device}, last used {lastUsed}',
    signedOut: 'Signed out: {device}',
    tenant: 'Administer your organization’s users',
    lostDevice: 'Was a device lost or stolen, or are you not sure about one?',
    everywhereHint:
      'Find that device above and choose “Lost, stolen or not me” there: we sign it out and pass your report on. If you are not sure which one, sign out of every app on every device at once, this one included, and call your IT administrator.',
    onlyHereHint:
      'No other device is signed in. If you are still not sure, sign out everywhere, this device included, and call your IT administrator.',
    everywhere: 'Sign out everywhere',
    endsSoonTitle: 'You will be signed out soon',
    endsSoon: 'You will be signed out {at}. Save your work in every app before then.',
    forgedTitle: 'Please try again',
    forged:
      'Nothing was changed: the request did not come from a page that was shown in this browser.',
    notSaved: {
      title: 'You are still signed in',
      what: 'The sign-out could not be saved, so nothing was changed.',
    },
  },

  history: {
    title: 'Security history',
    intro:
      'When you signed in to {product}, when a sign-in was rejected, and when you were signed out. Choose a line to see more.',
    none: 'There are no entries.',
    pages: 'Pages',
    newest: 'Newest entries',
    older: 'Older entries',
    kind: {
      signed_in: 'Signed in',
      renewed: 'Signed in again',
      sign_in_rejected: 'Sign-in rejected',
      ended: 'Signed out',
      reported: 'You reported this sign-in',
    },
    grantEnded: 'Signed out of one app',
    when: 'When',
    why: 'Why',
    device: 'Device',
    app: 'App',
    address: 'Internet connection',
    sameNetwork: 'The same as yours now ({network})',
    otherNetwork: 'Not the same as yours now ({network})',
    addressesTitle: 'Which internet connection was used? This is hidden',
    addresses:
      'To see whether each sign-in came over the internet connection that you use now, confirm at Microsoft that it is you. It is shown for five minutes.',
    proveFirst: 'Confirm now',
    rejected: {
      mfa_not_proved: 'Two-step verification was not completed',
      freshness_not_proved: 'A fresh sign-in was not confirmed',
      not_assigned_here: 'The account has no access to this app',
      other_user: 'The app expected another user',
      tenant_not_connected: 'The organization is not connected',
      user_locked: 'Your access was locked',
      tenant_locked: 'Your organization’s access was locked',
      client_locked: 'The app was locked',
    },
    rejectedOther: '{product} did not accept the sign-in',
  },

  report: {
    notMe: 'This wasn’t me',
    notMeOf: 'This wasn’t me: {what}, {when}',
    title: 'Report this to your IT administrator?',
    titleOperator: 'Report this to the operator of {product}?',
    ends: 'If you report it, the device above is signed out of {product} at once. Outlook and Teams may stay open on it until your IT administrator closes them.',
    nothingLeft:
      'That device is not signed in any more. If you report it, you are signed out here.',
    tells:
      'Your IT administrator reads your report. At your next sign-in on each device, Microsoft asks you to prove that it is you.',
    tellsOperator:
      'The operator of {product} reads your report. At your next sign-in on each device, Microsoft asks you to prove that it is you.',
    endsHere:
      'You did not confirm at Microsoft in the last five minutes that it is you. Therefore you are signed out here too.',
    more: 'Do you want to do more?',
    everywhere: 'Sign out everywhere, on this device too',
    microsoft: 'Sign out of Microsoft 365 on every device',
    microsoftHint: 'Outlook, Teams and all other Microsoft apps end too.',
    confirm: 'Yes, report it',
    cancel: 'Cancel',
    doneTitle: 'We told your IT administrator',
    toldOperator: 'We told the operator of {product}',
    next: 'What to do now',
    done: 'The device that you reported has no access to {product} any more. Outlook and Teams may still be open on it. Do the following now:',
    doneHere: 'This device is signed out too.',
    password: 'If you use a password at Microsoft, change it.',
    methods:
      'Check how you sign in at Microsoft (phone, app, security key), and remove what is not yours.',
    administrator:
      'Call your IT administrator: say when it happened, and whether a device was lost or stolen. They can close Outlook and Teams on it.',
    notSaved: { title: 'Nothing was changed', what: 'Your report could not be saved.' },
  },

  ready: {
    title: 'Check your account is ready',
    intro:
      'Sign in once, and this page shows whether you can use {product}. It answers three questions:',
    reach: 'Can you reach your Microsoft account?',
    reachHint:
      'You need your work account. You cannot get into it? Choose “Can’t access your account?” on Microsoft’s page.',
    connected: 'Is your account connected to {product}?',
    connectedHint:
      'Your IT administrator gives you access. If Microsoft says “Need admin approval”, tell them so.',
    mfa: 'Is it set up for two-step verification (authenticator app)?',
    mfaHint:
      'Have your phone at hand. Nothing set up yet? Do it first, for instance with Microsoft Authenticator: {link}',
    unavailableTitle: 'Sign-in is not available yet',
    unavailable:
      'This {product} is not connected to Microsoft. An IT administrator has to finish the setup first.',
    open: 'Open {app}',
    isReady: 'You are ready to use {product}.',
    notReady: 'One thing is left to do.',
    confirmed: 'Microsoft confirmed that it is you, {ago}.',
    proved: 'Microsoft confirmed your two-step verification, now or recently.',
    required:
      'Your organization requires two-step verification for {product}, and Microsoft let you in.',
    noApps: 'Your organization has no {product} here yet. Ask your IT administrator for the link.',
    closed:
      'Not open to you: {names}. If you need it, ask your IT administrator to assign you to {product} in Microsoft Entra with this role:',
  },
} as const
