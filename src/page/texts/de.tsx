import type { Child } from 'hono/jsx'
import type { Texts } from './en.tsx'
import { plurals } from './plural.ts'

/** German. Not yet reviewed by a native speaker. */

const plural = plurals('de')

export const de = (product: string): Texts => ({
  language: 'de',
  name: 'Deutsch',
  direction: 'ltr',
  locale: 'de-DE',

  layout: {
    skip: 'Zum Inhalt springen',
    help: 'Hilfe',
    helpAt: (where: string) => `Hilfe: ${where}`,
    privacy: 'Datenschutz',
    terms: 'Nutzungsbedingungen',
    accessibility: 'Barrierefreiheit',
    languages: 'Sprache',
    simulatedLabel: 'Simuliert',
    simulated: 'Microsoft wird hier simuliert, zum Ausprobieren und Testen. Es wird kein echtes Konto verwendet.',
  },

  shared: {
    signOut: 'Abmelden',
    signInAgain: 'Erneut anmelden',
    whereSignedIn: 'Wo Sie angemeldet sind',
    signInWithMicrosoft: 'Mit Microsoft anmelden',
    noApps: 'Noch keine App geöffnet',
    continue: 'Weiter',
    requestUnusable: 'Diese Anfrage kann nicht verwendet werden',
    microsoftMayRemain:
      'In diesem Browser sind Sie möglicherweise noch bei Microsoft 365 angemeldet. Melden Sie sich auf einem gemeinsam genutzten Computer auch dort ab.',
    trouble: (href: string) => (
      <>
        Probleme bei der Anmeldung? <a href={href}>Prüfen Sie Ihr Konto</a>
      </>
    ),
    unnamedUser: 'ein Benutzer, dessen Namen Microsoft nicht gesendet hat',
    justNow: 'gerade eben',
  },

  nav: {
    label: 'Ihr Konto',
    apps: 'Ihre Apps',
    sessions: 'Geräte',
    grants: 'Apps und Zustimmungen',
    history: 'Sicherheitsverlauf',
    ready: 'Konto prüfen',
  },

  home: {
    title: 'Ihre Apps',
    intro: `Melden Sie sich einmal mit Ihrem Geschäftskonto an und öffnen Sie jedes ${product} Ihrer Organisation.`,
    noAddress: 'Öffnen Sie die App über die Adresse, die Sie kennen.',
  },

  nothing: {
    title: 'Unter dieser Adresse gibt es keine Seite',
    what: 'Die Adresse ist unvollständig oder veraltet.',
    home: 'Zu Ihren Apps',
  },

  answer: { yes: 'Ja.', no: 'Nein.', warning: 'Nicht ganz.', unknown: 'Noch nicht bekannt.' },

  message: {
    copy: 'Referenz kopieren',
    copied: 'Kopiert',
    reference: (reference: Child) => <>Wenn Sie um Hilfe bitten, nennen Sie die Referenz {reference}.</>,
    referenceAndCode: (reference: Child, code: number) => (
      <>
        Wenn Sie um Hilfe bitten, nennen Sie die Referenz {reference} und den Code von Microsoft: {code}.
      </>
    ),
    code: (code: string) => `Der Code von Microsoft dafür ist ${code}.`,
  },

  errors: {
    notShownTitle: 'Diese Seite kann gerade nicht angezeigt werden',
    notShown: 'Ihr Inhalt konnte nicht gelesen werden. Es wurde nichts geändert.',
    tryInAMoment: 'Versuchen Sie es gleich noch einmal. Wenn das Problem bleibt, wenden Sie sich an Ihren Administrator.',
    bugTitle: 'Hier ist etwas schiefgegangen',
    bug: 'Diese Seite konnte nicht angezeigt werden. Der Fehler liegt bei uns und wurde protokolliert.',
    tryAgain: 'Versuchen Sie es noch einmal. Wenn es wieder geschieht, wenden Sie sich an Ihren Administrator.',
    appAsked: 'Die App, die Sie hierher geleitet hat, hat etwas verlangt, das hier nicht möglich ist. An Ihrem Konto liegt es nicht.',
    appAskedNext: 'Gehen Sie zur App zurück und versuchen Sie es noch einmal. Wenn es wieder geschieht, wenden Sie sich an Ihren Administrator.',
    tooManyTitle: 'Zu viele Anfragen',
    tooMany: 'Aus Ihrem Netz kamen zu viele Anfragen. Warten Sie einen Moment und versuchen Sie es dann noch einmal.',
    detail: (detail: Child) => <>Für Ihren Administrator: {detail}</>,
    tooLong: 'Es wurde nichts geändert: Die Anfrage ist länger als erlaubt.',
  },

  signIn: {
    title: 'Anmelden',
    toApp: (name: Child) => <>Melden Sie sich mit Ihrem Geschäftskonto an, um zu {name} zu gelangen.</>,
    toAccount: 'Melden Sie sich mit Ihrem Geschäftskonto an, um zu sehen, wo Sie angemeldet sind.',
    toReady: 'Melden Sie sich mit Ihrem Geschäftskonto an, um zu prüfen, ob es bereit ist.',
    toApps: 'Melden Sie sich mit Ihrem Geschäftskonto an, um Ihre Apps zu sehen.',
    toTenant: 'Melden Sie sich mit Ihrem Geschäftskonto an, um die Benutzer Ihrer Organisation zu verwalten.',
    destination: (host: Child) => <>Danach gelangen Sie zu {host}.</>,
    ended: {
      ended_elsewhere: 'Ihre frühere Anmeldung in diesem Browser wurde von anderswo beendet.',
      administrator: 'Ihre frühere Anmeldung in diesem Browser wurde von einem Administrator beendet.',
      account: `Ihre frühere Anmeldung in diesem Browser wurde beendet, weil sich Ihr Microsoft-Konto oder sein Zugriff auf ${product} geändert hat.`,
      expired: 'Ihre frühere Anmeldung in diesem Browser ist abgelaufen.',
    },
    password: 'Melden Sie sich erneut an. Microsoft fragt nach Ihrem Kennwort.',
    replaces: (who: Child) => <>Sie sind angemeldet als {who}. Wenn sich ein anderer Benutzer anmeldet, endet diese Anmeldung in diesem Browser.</>,
    notSaved: { title: 'Sie sind noch nicht angemeldet', what: 'Ihre Anmeldung konnte nicht gespeichert werden. Es wurde nichts geändert.' },
  },

  guidance: {
    sign_in_again: { title: 'Bitte melden Sie sich erneut an', read: ['Microsoft verlangt eine erneute Anmeldung, bevor Sie fortfahren können.'] },
    account_disabled: {
      title: 'Dieses Konto kann sich nicht anmelden',
      read: ['Ihre Organisation hat dieses Konto deaktiviert. Bitte wenden Sie sich an Ihren Administrator.'],
    },
    another_account: {
      title: 'Bitte verwenden Sie ein anderes Konto',
      read: [`Dieses Konto gehört zu keiner Organisation, die ${product} hier verwendet. Melden Sie sich mit Ihrem Geschäftskonto an.`],
    },
    personal_account: {
      title: 'Bitte verwenden Sie Ihr Geschäftskonto',
      read: [
        `Persönliche Microsoft-Konten können für ${product} nicht verwendet werden. Melden Sie sich mit dem Konto an, das Sie von Ihrer Organisation haben.`,
      ],
    },
    tenant_not_connected: {
      title: 'Bitte verwenden Sie ein anderes Konto',
      read: [
        `Die Organisation dieses Kontos ist hier nicht mit ${product} verbunden. Melden Sie sich mit einem anderen Geschäftskonto an, oder fragen Sie Ihren Administrator.`,
      ],
    },
    step_up: {
      title: 'Microsoft verlangt einen weiteren Schritt',
      read: [
        'Ihre Organisation möchte, dass Sie die Anmeldung bestätigen, zum Beispiel mit Ihrer Authenticator-App. Bitte versuchen Sie es noch einmal und folgen Sie den Anweisungen von Microsoft.',
      ],
    },
    enrol_mfa: {
      title: 'Richten Sie zuerst die Überprüfung in zwei Schritten ein',
      read: [
        'Ihr Konto hat noch keine Überprüfung in zwei Schritten (Authenticator-App). Richten Sie sie bei Microsoft ein und versuchen Sie es dann noch einmal.',
      ],
    },
    mfa_not_proved: {
      title: 'Die Überprüfung in zwei Schritten ist nötig',
      read: [
        `Microsoft hat nicht bestätigt, dass Sie die Überprüfung in zwei Schritten (Authenticator-App) verwendet haben. ${product} verlangt sie bei jeder Anmeldung.`,
        'Wenn Ihr Konto sie noch nicht hat, richten Sie sie ein und versuchen Sie es noch einmal. Wenn Sie sie gerade verwendet haben, wenden Sie sich an Ihren Administrator.',
      ],
    },
    freshness_not_proved: {
      title: 'Bitte melden Sie sich noch einmal an',
      read: [
        'Dieser Schritt braucht eine neue Anmeldung, und Microsoft hat keine bestätigt. Bitte versuchen Sie es noch einmal und geben Sie Ihr Kennwort ein, wenn Microsoft danach fragt. Wenn diese Seite wieder erscheint, wenden Sie sich an Ihren Administrator.',
      ],
    },
    other_user: {
      title: 'Das war ein anderes Konto',
      read: [
        'Die App hat nach dem Konto gefragt, das vorher angemeldet war, und Sie haben ein anderes verwendet. Bitte versuchen Sie es mit jenem Konto.',
      ],
    },
    locked: {
      title: 'Ihr Konto ist vorübergehend gesperrt',
      read: [
        'Microsoft hat dieses Konto gesperrt, meist nach zu vielen Versuchen. Bitte warten Sie eine Weile und versuchen Sie es dann noch einmal.',
      ],
    },
    blocked_by_policy: {
      title: 'Ihre Organisation erlaubt diese Anmeldung nicht',
      read: [
        'Eine Richtlinie Ihrer Organisation erlaubt die Anmeldung von diesem Gerät, von diesem Ort oder mit dieser App nicht. Fragen Sie Ihren Administrator, was nötig ist.',
      ],
    },
    not_assigned: {
      title: 'Sie haben noch keinen Zugriff',
      read: [`Ihr Konto hat noch keinen Zugriff auf ${product}. Bitten Sie Ihren Administrator darum.`],
    },
    not_assigned_here: {
      title: 'Sie haben hier keinen Zugriff',
      read: [
        `Sie sind angemeldet, aber Ihr Konto darf diese Instanz von ${product} nicht verwenden. Bitten Sie Ihren Administrator um Zugriff, oder verwenden Sie ein anderes Konto.`,
      ],
    },
    user_locked: {
      title: `Ihr Zugriff auf ${product} ist gesperrt`,
      read: [
        `Ein Administrator von ${product} hat Ihren Zugriff gesperrt. Daher können Sie sich nicht anmelden.`,
        `Fragen Sie den Administrator von ${product} in Ihrer Organisation. Nur ein Administrator kann die Sperre aufheben; weitere Versuche helfen nicht.`,
      ],
    },
    tenant_locked: {
      title: `Der Zugriff Ihrer Organisation auf ${product} ist gesperrt`,
      read: [
        `Ein Administrator von ${product} hat den Zugriff Ihrer ganzen Organisation gesperrt. Daher können Sie sich nicht anmelden.`,
        `Fragen Sie den Administrator von ${product} in Ihrer Organisation. Nur ein Administrator kann die Sperre aufheben; weitere Versuche helfen nicht.`,
      ],
    },
    client_locked: {
      title: `Diese Instanz von ${product} ist gesperrt`,
      read: [
        'Ein Administrator hat die Instanz gesperrt, die Sie öffnen möchten. Daher kann sich dort kein Benutzer anmelden. An Ihrem Konto liegt es nicht.',
        `Fragen Sie den Administrator von ${product} in Ihrer Organisation, wann sie wieder verfügbar ist.`,
      ],
    },
    consent: {
      title: 'Ihre Zustimmung ist nötig',
      read: [
        `Microsoft fragt, ob ${product} Ihr grundlegendes Profil lesen darf. Bitte versuchen Sie es noch einmal und stimmen Sie zu. Wenn Microsoft das nicht zulässt, muss Ihr Administrator für alle zustimmen.`,
      ],
    },
    declined: {
      title: 'Sie haben sich nicht angemeldet',
      read: [
        'Die Anmeldung bei Microsoft wurde abgebrochen. Sie können es noch einmal versuchen oder zurückgehen.',
        'Hat Microsoft „Administratorgenehmigung erforderlich“ gemeldet? Dann muss zuerst ein Administrator Ihrer Organisation handeln: Wählen Sie „Zustimmung erteilen“.',
      ],
    },
    admin_consent: {
      title: 'Eine weitere Einrichtung steht noch aus',
      read: ['Sie müssen sich an Ihren IT-Administrator wenden. Eine weitere Einrichtung steht noch aus.'],
    },
    redirect_mismatch: {
      title: `${product} ist nicht richtig eingerichtet`,
      read: ['Das ist nicht Ihr Fehler: Die Adresse der Anmeldung ist bei Microsoft nicht registriert. Bitte sagen Sie es Ihrem Administrator.'],
    },
    app_missing: {
      title: `${product} ist in Ihrer Organisation nicht eingerichtet`,
      read: [`Das ist nicht Ihr Fehler: ${product} ist bei Microsoft nicht eingerichtet oder ausgeschaltet. Bitte sagen Sie es Ihrem Administrator.`],
    },
    credential: {
      title: 'Die Anmeldung ist gerade nicht möglich',
      read: [
        `Das ist nicht Ihr Fehler: ${product} kann sich bei Microsoft nicht ausweisen. Bitte versuchen Sie es später noch einmal, oder sagen Sie es Ihrem Administrator.`,
      ],
    },
    loop: {
      title: 'Zu viele Versuche nacheinander',
      read: ['Microsoft hat zu viele Anmeldungen nacheinander gesehen. Bitte warten Sie einige Minuten und versuchen Sie es dann noch einmal.'],
    },
    outage: {
      title: 'Microsoft ist gerade nicht erreichbar',
      read: ['Bitte versuchen Sie es gleich noch einmal. Wenn Sie schon angemeldet sind, bleiben Sie es.'],
    },
    clock_wrong: {
      title: 'Die Anmeldung ist gerade nicht möglich',
      read: [
        `Das ist nicht Ihr Fehler: Die Uhr von ${product} geht falsch. Bitte versuchen Sie es gleich noch einmal. Wenn Sie schon angemeldet sind, bleiben Sie es.`,
      ],
    },
    untrusted_token: {
      title: 'Die Anmeldung konnte nicht geprüft werden',
      read: [
        'Die Antwort von Microsoft konnte nicht geprüft werden. Daher sind Sie nicht angemeldet. Bitte versuchen Sie es noch einmal. Wenn es wieder geschieht, wenden Sie sich an Ihren Administrator.',
      ],
    },
    unknown: {
      title: 'Die Anmeldung hat nicht funktioniert',
      read: [
        'Microsoft konnte Sie nicht anmelden. Bitte versuchen Sie es noch einmal. Wenn es wieder geschieht, nennen Sie Ihrem Administrator den Code unten.',
      ],
    },
  },

  offers: {
    try_again: 'Noch einmal versuchen',
    another_account: 'Anderes Konto verwenden',
    granting_consent: 'Zustimmung erteilen',
    set_up_mfa: 'Bei Microsoft einrichten',
  },

  stale: {
    used: {
      title: 'Diese Anmeldung ist schon abgeschlossen',
      why: 'Vielleicht wurde sie in einem anderen Tab abgeschlossen, oder Sie sind im Browser zurückgegangen.',
    },
    signedIn: { title: 'Sie sind schon angemeldet', why: 'Sie haben sich in einem anderen Tab angemeldet oder sind im Browser zurückgegangen.' },
    late: { title: 'Ihre Anmeldung hat zu lange gedauert.', why: 'Sie wurde nicht rechtzeitig abgeschlossen. Beginnen Sie sie neu.' },
    elsewhere: {
      title: 'Diese Anmeldung wurde in einem anderen Browser begonnen',
      why: 'Sie kann nur in dem Browser abgeschlossen werden, in dem sie begonnen wurde.',
    },
    forgotten: {
      title: 'Dieser Browser hat die Anmeldung nicht behalten',
      why: 'Die Anmeldung wurde in einem anderen Browser begonnen, oder dieser Browser nimmt keine Cookies an.',
    },
    allowCookies: (host: string) => `Erlauben Sie Cookies für ${host} und beginnen Sie dann neu.`,
    foreign: { title: 'Diese Anmeldung kann nicht fortgesetzt werden', why: 'Die Adresse ist unvollständig oder stammt nicht von hier.' },
    startAtApp: `Gehen Sie über die Adresse, die Sie kennen, zu ${product} zurück und melden Sie sich von dort an.`,
  },

  notConnected: {
    title: 'Die Anmeldung ist noch nicht eingerichtet',
    missing: `Der Anmeldedienst von ${product} läuft, ist aber nicht mit Microsoft verbunden. Benutzer können sich erst anmelden, wenn der Betreiber Folgendes einstellt:`,
    operator: (setup: Child, setupCommand: Child, doctor: Child) => (
      <>
        Sind Sie der Betreiber? Öffnen Sie {setup} unter der Adresse für Betreiber: Die Seite führt Sie durch die Schritte, und {setupCommand} gibt
        aus, was Sie für den Zugang brauchen. Oder stellen Sie ein, was fehlt, und starten Sie den Dienst neu. {doctor} prüft jede Einstellung.
      </>
    ),
  },

  grantingConsent: {
    title: 'Zustimmung erteilen',
    forAdministrators: 'Für IT-Administratoren',
    intro: `Eine weitere Einrichtung steht noch aus: Ihre Organisation muss ${product} erlauben, ihre Benutzer anzumelden. Das geschieht einmal, für alle.`,
    open: 'Öffnen Sie das Microsoft Entra Admin Center als Cloudanwendungsadministrator oder globaler Administrator.',
    find: `Gehen Sie zu den Unternehmensanwendungen und öffnen Sie ${product}.`,
    findById: (id: Child) => (
      <>
        Gehen Sie zu den Unternehmensanwendungen und öffnen Sie {product} (Anwendungs-ID {id}).
      </>
    ),
    grant: `Wählen Sie unter „Sicherheit“ die „Berechtigungen“, dann „Administratorzustimmung erteilen“. ${product} fragt nach dem grundlegenden Profil der Benutzer, die sich anmelden: openid, profile, email, offline_access.`,
    tell: 'Bitten Sie Ihre Benutzer, sich erneut anzumelden.',
    write: 'An Ihren Administrator schreiben',
    subject: `Bitte ${product} für unsere Organisation erlauben`,
    message: (address: string) =>
      `Ich kann mich bei ${product} nicht anmelden: Ein Administrator muss es einmal für unsere Organisation erlauben. Wie das geht, steht hier: ${address}`,
    notYou: `Sie sind nicht der Administrator? Senden Sie ihm eine Nachricht: Sie nennt die Adresse dieser Seite. ${product} ist nicht unter den Unternehmensanwendungen? Dann bitten Sie den Betreiber von ${product} um einen Link: Seine Einrichtungsseite erstellt einen für Ihren Mandanten.`,
  },

  consent: {
    title: (app: string) => `${app} möchte:`,
    scopes: {
      openid: `Wissen, dass Sie es sind, durch eine Kennung, die für ${product} erstellt wurde`,
      profile: 'Ihren Namen und Ihren Benutzernamen bei Microsoft sehen',
      email: 'Ihre E-Mail-Adresse sehen',
      offline_access: 'Ihre Anmeldung aufrechterhalten',
    },
    signedInAs: (who: Child) => <>Sie sind angemeldet als {who}.</>,
    unnamed: 'Ihr Microsoft-Konto',
    allow: 'Erlauben',
    deny: 'Nicht erlauben',
  },

  reply: {
    title: `Zurück zu ${product}`,
    noScript: 'Wenn nichts geschieht, wählen Sie „Weiter“.',
    back: (app: string) => `Zurück zu ${app}`,
  },

  sharedComputer: {
    use: 'Auf einem gemeinsam genutzten Computer anmelden',
    hint: (minutes: number) =>
      plural(minutes, {
        one: 'Nach # Minute ohne Nutzung werden Sie abgemeldet.',
        other: 'Nach # Minuten ohne Nutzung werden Sie abgemeldet.',
      }),
    on: (minutes: number) =>
      plural(minutes, {
        one: 'Dieser Computer wird gemeinsam genutzt. Microsoft fragt nach Ihrem Kennwort. Sie werden nach # Minute ohne Nutzung abgemeldet, und wenn Sie den Browser schließen.',
        other:
          'Dieser Computer wird gemeinsam genutzt. Microsoft fragt nach Ihrem Kennwort. Sie werden nach # Minuten ohne Nutzung abgemeldet, und wenn Sie den Browser schließen.',
      }),
    own: 'Das ist mein eigener Computer',
    signOut: 'Dieser Computer wird gemeinsam genutzt: Als Nächstes melden Sie sich auch von Microsoft 365 ab.',
  },

  signOut: {
    title: 'Abmelden?',
    signedInAs: (who: string, device: string) => `Angemeldet als ${who} mit ${device}.`,
    question: `Wo möchten Sie sich von ${product} abmelden?`,
    device: 'Auf diesem Gerät',
    deviceHint: (apps: readonly string[]) =>
      apps.length === 0 ? 'Sie haben in diesem Browser keine App geöffnet.' : `In diesem Browser: ${apps.join(', ')}.`,
    everywhere: 'Überall',
    everywhereOnlyHere: 'Auf allen Geräten. Sie sind nur auf diesem angemeldet.',
    everywhereOthers: (others: number) =>
      plural(others, { one: 'Auf diesem Gerät und auf einem weiteren.', other: 'Auf diesem Gerät und auf # weiteren.' }),
    microsoft: 'Auch von Microsoft 365 abmelden',
    microsoftHint: 'In diesem Browser: Outlook, Teams und alles andere, was Sie mit diesem Konto geöffnet haben.',
    stay: 'Angemeldet bleiben',
    otherUserTitle: 'Hier ist ein anderer Benutzer angemeldet',
    otherUser: (app: string, who: string) =>
      `${app} wollte einen anderen Benutzer abmelden. In diesem Browser ist ${who} angemeldet und würde abgemeldet.`,
    sinceTitle: 'Sie haben sich inzwischen neu angemeldet',
    since: (app: string) => `${app} wollte eine frühere Anmeldung von Ihnen beenden. Wenn Sie sich jetzt abmelden, endet die unten genannte.`,
    oldPageTitle: 'Diese Seite ist zu alt',
    oldPage: 'Es wurde nichts geändert: Die Seite, auf der Sie geantwortet haben, ist abgelaufen.',
    oldPageNext: 'Öffnen Sie die Seite zum Abmelden noch einmal und wählen Sie dort.',
    notSaved: {
      title: 'Sie sind noch angemeldet',
      what: 'Die Abmeldung konnte nicht gespeichert werden. Es wurde nichts geändert: Sie sind überall noch angemeldet.',
    },
    tooLongTitle: 'So können Sie nicht abgemeldet werden',
    tooLong: 'Es wurde nichts geändert: Die Anfrage zum Abmelden ist länger als erlaubt.',
    tooLongNext: 'Melden Sie sich stattdessen hier ab.',
  },

  signOutAgain: {
    forged: {
      title: 'Bitte bestätigen Sie noch einmal',
      text: 'Es wurde nichts geändert: Ihre Antwort kam nicht von einer Seite, die in diesem Browser angezeigt wurde.',
    },
    other: {
      title: 'Eine andere Anmeldung ist an ihre Stelle getreten',
      text: 'Es wurde nichts geändert: Seit der Frage hat sich hier ein Benutzer angemeldet.',
    },
    nothing: { title: 'Bitte wählen Sie', text: 'Es wurde nichts geändert: Wählen Sie, wo Sie sich abmelden möchten.' },
  },

  signOutRefused: {
    noticeTitle: 'Auf der vorigen Website ist etwas schiefgegangen',
    notice: (why: string) => `${why} Sie können sich trotzdem abmelden, werden aber nicht zurückgeleitet.`,
    title: 'Sie sind abgemeldet, aber wir konnten Sie nicht zurückleiten',
    what: (why: string) => `Sie sind in diesem Browser nicht bei ${product} angemeldet. ${why}`,
    next: `Gehen Sie über die Adresse, die Sie kennen, zu ${product} zurück. Der Administrator der App kann die Anfrage berichtigen.`,
    why: {
      malformed: 'Die Anfrage zum Abmelden konnte nicht gelesen werden.',
      hint: 'Die Anfrage zum Abmelden enthält ein ID-Token (id_token_hint), das nicht von hier stammt oder seither geändert wurde.',
      client:
        'Die Anfrage zum Abmelden nennt einen Client (client_id), der hier nicht registriert ist oder für den das ID-Token nicht ausgestellt wurde.',
      address: 'Die Anfrage zum Abmelden nennt eine Rückkehradresse (post_logout_redirect_uri), die ihr Client nicht registriert hat.',
      address_without_client: 'Die Anfrage zum Abmelden nennt eine Rückkehradresse (post_logout_redirect_uri) ohne id_token_hint und ohne client_id.',
    },
  },

  signedOut: {
    title: {
      device: 'Sie sind auf diesem Gerät abgemeldet',
      everywhere: 'Sie sind überall abgemeldet',
      none: 'Sie sind hier nicht angemeldet',
    },
    what: {
      device: 'In diesem Browser sind Sie abgemeldet von:',
      everywhere: 'Auf allen Geräten sind Sie abgemeldet von:',
      none: `Sie sind in diesem Browser nicht bei ${product} angemeldet.`,
    },
    reload: 'Laden Sie die Seite neu, um zu sehen, was sich geändert hat.',
    plain: `Sie sind von ${product} abgemeldet.`,
    why: {
      signed_out: 'Sie hatten sich schon abgemeldet.',
      ended_elsewhere: 'Ihre Anmeldung in diesem Browser war schon von anderswo beendet worden.',
      administrator: 'Ein Administrator hatte Ihre Anmeldung schon beendet.',
      account: `Ihre Anmeldung war schon beendet, weil sich Ihr Microsoft-Konto oder sein Zugriff auf ${product} geändert hat.`,
      expired: 'Ihre Anmeldung war schon abgelaufen.',
    },
    progress: { delivered: 'Abgemeldet', pending: 'Wird abgemeldet …', unconfirmed: 'Noch nicht bestätigt' },
    unconfirmed:
      'Eine App, die nicht erreichbar ist, wird abgemeldet, sobald sie wieder da ist. Bis dahin zeigt sie Sie vielleicht noch als angemeldet, höchstens einige Minuten.',
    elsewhereTitle: (devices: number) =>
      plural(devices, { one: 'Sie sind noch auf einem anderen Gerät angemeldet', other: 'Sie sind noch auf # anderen Geräten angemeldet' }),
    elsewhere:
      'Dieses Gerät war schon abgemeldet, bevor Sie gewählt haben. Melden Sie sich an und öffnen Sie „Wo Sie angemeldet sind“, um sich auch dort abzumelden.',
    microsoftNextTitle: 'Ein Schritt fehlt noch: Microsoft 365',
    microsoftNext: `Sie sind von ${product} abgemeldet. Als Nächstes öffnet sich die Seite von Microsoft. Was immer sie zeigt: Hier bleiben Sie abgemeldet.`,
    microsoftGo: 'Von Microsoft 365 abmelden',
    microsoftLeft: 'Sie haben sich in diesem Browser auch von Microsoft 365 abgemeldet.',
    microsoftUnreachableTitle: 'Sie sind möglicherweise noch bei Microsoft 365 angemeldet',
    microsoftUnreachable:
      'Microsoft war nicht erreichbar. Melden Sie sich dort selbst ab, zum Beispiel in Outlook, oder schließen Sie alle Fenster dieses Browsers.',
    back: (app: string) => `Zurück zu ${app}`,
    signedInTitle: 'Sie sind angemeldet',
    signedIn: (who: string) => `In diesem Browser ist ${who} bei ${product} angemeldet.`,
  },

  sessionLimit: {
    title: 'Sie sind zu oft angemeldet',
    most: (most: number) =>
      plural(most, {
        one: 'Sie können auf einem Gerät zugleich angemeldet sein. Melden Sie sich dort ab, um sich hier anzumelden.',
        other: 'Sie können auf # Geräten zugleich angemeldet sein. Melden Sie sich irgendwo ab, um sich hier anzumelden.',
      }),
    choose: (count: number) => plural(count, { one: 'Welche Anmeldung soll enden?', other: 'Wählen Sie # Anmeldungen, die enden sollen' }),
    lastUsed: (lastUsed: string) => `Zuletzt verwendet: ${lastUsed}`,
    end: 'Dort abmelden und hier anmelden',
    back: 'Nicht anmelden',
  },

  sessions: {
    title: 'Wo Sie angemeldet sind',
    thisDevice: 'Dieses Gerät',
    since: 'Seit',
    lastUsed: 'Zuletzt verwendet',
    endsBy: 'Endet spätestens',
    signOutOf: (device: string, lastUsed: string) => `${device} abmelden, zuletzt verwendet ${lastUsed}`,
    signedOut: (device: string) => `Abgemeldet: ${device}`,
    tenant: 'Benutzer Ihrer Organisation verwalten',
    lostDevice: 'Ein Gerät verloren, oder bei einem nicht sicher?',
    everywhereTitle: 'Überall abmelden?',
    everywhereHint: '„Überall abmelden“ beendet jede Anmeldung oben, auch diese, in allen Apps zugleich.',
    everywhere: 'Überall abmelden',
    endsSoonTitle: 'Sie werden bald abgemeldet',
    endsSoon: (at: Child) => <>Diese Anmeldung endet am {at}. Speichern Sie vorher Ihre Arbeit in allen Apps.</>,
    forgedTitle: 'Bitte versuchen Sie es noch einmal',
    forged: 'Es wurde nichts geändert: Die Anfrage kam nicht von einer Seite, die in diesem Browser angezeigt wurde.',
    notSaved: { title: 'Sie sind noch angemeldet', what: 'Die Abmeldung konnte nicht gespeichert werden. Es wurde nichts geändert.' },
  },

  grants: {
    title: 'Apps und Zustimmungen',
    intro: 'Diese Apps nutzen Ihre Anmeldung hier. Sie sehen auch, wem Sie zugestimmt haben.',
    none: 'Keine App nutzt jetzt Ihre Anmeldung.',
    devices: (devices: number) => plural(devices, { one: 'Angemeldet auf # Gerät', other: 'Angemeldet auf # Geräten' }),
    notSignedIn: 'Jetzt nicht angemeldet',
    agreed: 'Zugestimmt am',
    may: 'Sie darf',
    end: 'Zugriff beenden',
    endOf: (app: string) => `Zugriff beenden: ${app}`,
    ended: (app: string) => `Zugriff beendet: ${app}`,
    endedHint: 'Hier bleiben Sie angemeldet. Darum meldet die App Sie wieder an, wenn Sie sie öffnen.',
    notSaved: { title: 'Es wurde nichts geändert', what: 'Das Ende des Zugriffs konnte nicht gespeichert werden.' },
  },

  history: {
    title: 'Sicherheitsverlauf',
    intro: `Anmeldungen bei ${product} mit Ihrem Konto, abgelehnte Anmeldungen, und wo eine Anmeldung endete. Die neuesten stehen oben.`,
    none: 'Es gibt keine Einträge.',
    pages: 'Seiten',
    newest: 'Neueste Einträge',
    older: 'Ältere Einträge',
    kind: {
      signed_in: 'Angemeldet',
      renewed: 'Erneut angemeldet',
      sign_in_rejected: 'Anmeldung abgelehnt',
      ended: 'Abgemeldet',
      reported: 'Sie haben gemeldet: Das war ich nicht',
    },
    grantEnded: 'Von einer App abgemeldet',
    when: 'Wann',
    why: 'Warum',
    by: 'Durch',
    device: 'Gerät',
    app: 'App',
    address: 'IP-Adresse',
    addressesTitle: 'IP-Adressen sind ausgeblendet',
    addresses: 'Sie werden fünf Minuten lang angezeigt, nachdem Sie Ihr Kennwort eingegeben haben.',
    proveFirst: 'Kennwort jetzt eingeben',
    ended: {
      signed_out: 'Abgemeldet',
      ended_elsewhere: 'Von anderswo beendet',
      administrator: 'Von einem Administrator beendet',
      account: 'Ihr Microsoft-Konto oder sein Zugriff hat sich geändert',
      expired: 'Die Anmeldung ist abgelaufen',
    },
    rejected: {
      mfa_not_proved: 'Die Überprüfung in zwei Schritten wurde nicht abgeschlossen',
      freshness_not_proved: 'Eine erneute Anmeldung wurde nicht bestätigt',
      not_assigned_here: 'Das Konto hat keinen Zugriff auf diese App',
      other_user: 'Die App hat einen anderen Benutzer erwartet',
      tenant_not_connected: 'Die Organisation ist nicht verbunden',
      user_locked: 'Ihr Zugriff war gesperrt',
      tenant_locked: 'Der Zugriff Ihrer Organisation war gesperrt',
      client_locked: 'Die App war gesperrt',
    },
    rejectedOther: `${product} hat die Anmeldung nicht angenommen`,
    actor: {
      user: 'Sie',
      otherUser: 'Ein anderer Benutzer desselben Browsers',
      client: 'Die App',
      microsoft: 'Sie, bei Microsoft',
    },
  },

  report: {
    notMe: 'Das war ich nicht',
    notMeOf: (what: string, when: string) => `Das war ich nicht: ${what}, ${when}`,
    title: 'Waren Sie das nicht?',
    ends: 'Wenn Sie bestätigen, endet diese Anmeldung sofort, in allen Apps.',
    nothingLeft:
      'Diese Anmeldung ist nicht mehr offen. Wenn Sie bestätigen, werden Sie hier abgemeldet, und jede neue Anmeldung braucht Ihr Kennwort.',
    tells: 'Wir benachrichtigen Ihre Administratoren. Danach braucht jede neue Anmeldung Ihr Kennwort, auf jedem Gerät.',
    endsHere: 'Sie haben Ihr Kennwort in den letzten fünf Minuten nicht eingegeben. Daher werden Sie auch hier abgemeldet.',
    more: 'Außerdem:',
    everywhere: 'Überall abmelden, auch auf diesem Gerät',
    microsoft: 'Auf jedem Gerät von Microsoft 365 abmelden',
    microsoftHint: 'Auch Outlook, Teams und alle anderen Microsoft-Apps enden.',
    confirm: 'Bestätigen: Das war ich nicht',
    cancel: 'Abbrechen',
    doneTitle: 'Danke. Wir haben Ihre Administratoren benachrichtigt.',
    done: 'Was Sie gemeldet haben, ist beendet. Wenn Sie nicht wissen, wie es dazu kam, tun Sie jetzt Folgendes:',
    password: (link: Child) => <>Ändern Sie Ihr Kennwort: {link}.</>,
    methods: (link: Child) => <>Prüfen Sie Ihre Anmeldemethoden und entfernen Sie die, die nicht Ihre sind: {link}.</>,
    administrator: 'Sagen Sie Ihrem Administrator, wann es geschah und was Ihnen aufgefallen ist.',
    notSaved: { title: 'Es wurde nichts geändert', what: 'Ihre Meldung konnte nicht gespeichert werden.' },
  },

  ready: {
    title: 'Prüfen, ob Ihr Konto bereit ist',
    intro: `Melden Sie sich einmal an, und diese Seite zeigt, ob Sie ${product} verwenden können. Sie beantwortet drei Fragen:`,
    reach: 'Erreichen Sie Ihr Microsoft-Konto?',
    reachHint:
      'Sie brauchen Ihr Geschäftskonto und sein Kennwort. Vergessen? Wählen Sie „Können Sie nicht auf Ihr Konto zugreifen?“ auf der Seite von Microsoft.',
    connected: `Ist Ihr Konto mit ${product} verbunden?`,
    connectedHint:
      'Der Administrator Ihrer Organisation gibt Ihnen Zugriff. Wenn Microsoft „Administratorgenehmigung erforderlich“ anzeigt, sagen Sie es ihm.',
    mfa: 'Ist die Überprüfung in zwei Schritten (Authenticator-App) eingerichtet?',
    mfaHint: (link: Child) => (
      <>Halten Sie Ihr Telefon bereit. Noch nichts eingerichtet? Tun Sie es zuerst unter {link}, zum Beispiel mit Microsoft Authenticator.</>
    ),
    unavailableTitle: 'Die Anmeldung ist noch nicht verfügbar',
    unavailable: `Dieses ${product} ist nicht mit Microsoft verbunden. Der Administrator muss die Einrichtung zuerst abschließen.`,
    open: (app: string) => `${app} öffnen`,
    isReady: `Sie können ${product} verwenden.`,
    notReady: 'Ein Schritt fehlt noch.',
    confirmed: (ago: string) => `Microsoft hat bestätigt, dass Sie es sind, ${ago}.`,
    proved: 'Microsoft hat Ihre Überprüfung in zwei Schritten bestätigt, jetzt oder vor Kurzem.',
    required: `Ihre Organisation verlangt für ${product} die Überprüfung in zwei Schritten, und Microsoft hat Sie zugelassen.`,
    noApps: `Ihre Organisation hat hier noch kein ${product}. Fragen Sie Ihren Administrator nach der Adresse.`,
    closed: (names: string) =>
      `Für Sie nicht geöffnet: ${names}. Wenn Sie Zugriff brauchen, bitten Sie Ihren Administrator, Ihnen in Microsoft Entra für ${product} diese Rolle zuzuweisen:`,
  },
})
