import type { Child } from 'hono/jsx'
import type { Texts } from './en.tsx'
import { plurals } from './plural.ts'

/** French. Not yet reviewed by a native speaker. */

const plural = plurals('fr')

export const fr = (product: string): Texts => ({
  language: 'fr',
  name: 'Français',
  direction: 'ltr',
  locale: 'fr-FR',

  layout: {
    skip: 'Aller au contenu',
    help: 'Aide',
    helpAt: (where: string) => `Aide : ${where}`,
    privacy: 'Confidentialité',
    terms: 'Conditions d’utilisation',
    accessibility: 'Accessibilité',
    languages: 'Langue',
    simulatedLabel: 'Simulé',
    simulated: 'Microsoft est simulé ici, pour essayer et tester. Aucun compte réel n’est utilisé.',
  },

  shared: {
    signOut: 'Se déconnecter',
    signInAgain: 'Se reconnecter',
    whereSignedIn: 'Où vous êtes connecté',
    signInWithMicrosoft: 'Se connecter avec Microsoft',
    noApps: 'Aucune application ouverte',
    continue: 'Continuer',
    requestUnusable: 'Cette demande ne peut pas être utilisée',
    microsoftMayRemain:
      'Vous êtes peut-être encore connecté à Microsoft 365 dans ce navigateur. Sur un ordinateur partagé, déconnectez-vous là aussi.',
    trouble: (href: string) => (
      <>
        Un problème de connexion ? <a href={href}>Vérifiez votre compte</a>
      </>
    ),
    unnamedUser: 'un utilisateur dont Microsoft n’a pas envoyé le nom',
    justNow: 'à l’instant',
  },

  nav: {
    label: 'Votre compte',
    apps: 'Vos applications',
    sessions: 'Appareils',
    grants: 'Applications et consentements',
    history: 'Historique de sécurité',
    ready: 'Vérifier le compte',
  },

  home: {
    title: 'Vos applications',
    intro: `Connectez-vous une seule fois avec votre compte professionnel, et ouvrez chaque ${product} de votre organisation.`,
    noAddress: 'Ouvrez-la par l’adresse que vous connaissez.',
  },

  nothing: {
    title: 'Il n’y a pas de page à cette adresse',
    what: 'L’adresse est incomplète ou n’est plus valable.',
    home: 'Voir vos applications',
  },

  answer: { yes: 'Oui.', no: 'Non.', warning: 'Pas entièrement.', unknown: 'Pas encore connu.' },

  message: {
    copy: 'Copier la référence',
    copied: 'Copiée',
    reference: (reference: Child) => <>Si vous demandez de l’aide, donnez la référence {reference}.</>,
    referenceAndCode: (reference: Child, code: number) => (
      <>
        Si vous demandez de l’aide, donnez la référence {reference} et le code de Microsoft : {code}.
      </>
    ),
    code: (code: string) => `Le code de Microsoft est ${code}.`,
  },

  errors: {
    notShownTitle: 'Cette page ne peut pas être affichée pour le moment',
    notShown: 'Son contenu n’a pas pu être lu. Rien n’a été modifié.',
    tryInAMoment: 'Réessayez dans un instant. Si le problème persiste, prévenez votre administrateur.',
    bugTitle: 'Une erreur s’est produite ici',
    bug: 'Cette page n’a pas pu être affichée. L’erreur vient de nous et a été enregistrée.',
    tryAgain: 'Réessayez. Si cela se reproduit, prévenez votre administrateur.',
    appAsked: 'L’application qui vous a envoyé ici a demandé quelque chose d’impossible ici. Votre compte n’est pas en cause.',
    appAskedNext: 'Revenez à l’application et réessayez. Si cela se reproduit, prévenez votre administrateur.',
    tooManyTitle: 'Trop de demandes',
    tooMany: 'Trop de demandes sont venues de votre réseau. Attendez un instant, puis réessayez.',
    detail: (detail: Child) => <>Pour votre administrateur : {detail}</>,
    tooLong: 'Rien n’a été modifié : la demande est plus longue que ce qui est permis.',
  },

  signIn: {
    title: 'Se connecter',
    toApp: (name: Child) => <>Connectez-vous avec votre compte professionnel pour continuer vers {name}.</>,
    toAccount: 'Connectez-vous avec votre compte professionnel pour voir où vous êtes connecté.',
    toReady: 'Connectez-vous avec votre compte professionnel pour vérifier qu’il est prêt.',
    toApps: 'Connectez-vous avec votre compte professionnel pour voir vos applications.',
    toTenant: 'Connectez-vous avec votre compte professionnel pour administrer les utilisateurs de votre organisation.',
    destination: (host: Child) => <>Vous serez dirigé vers {host}.</>,
    ended: {
      ended_elsewhere: 'Votre connexion précédente dans ce navigateur a été fermée depuis un autre endroit.',
      administrator: 'Un administrateur a fermé votre connexion précédente dans ce navigateur.',
      account: `Votre connexion précédente dans ce navigateur a été fermée, parce que votre compte Microsoft ou son accès à ${product} a changé.`,
      expired: 'Votre connexion précédente dans ce navigateur a expiré.',
    },
    password: 'Reconnectez-vous. Microsoft demande votre mot de passe.',
    replaces: (who: Child) => (
      <>Vous êtes connecté en tant que {who}. Quand un autre utilisateur se connecte, cette connexion est fermée dans ce navigateur.</>
    ),
    notSaved: { title: 'Vous n’êtes pas encore connecté', what: 'Votre connexion n’a pas pu être enregistrée. Rien n’a été modifié.' },
  },

  guidance: {
    sign_in_again: { title: 'Veuillez vous reconnecter', read: ['Microsoft vous demande de vous reconnecter avant de continuer.'] },
    account_disabled: {
      title: 'Ce compte ne peut pas se connecter',
      read: ['Votre organisation a désactivé ce compte. Veuillez contacter votre administrateur.'],
    },
    another_account: {
      title: 'Veuillez utiliser un autre compte',
      read: [`Ce compte n’appartient à aucune organisation qui utilise ${product} ici. Connectez-vous avec votre compte professionnel.`],
    },
    personal_account: {
      title: 'Veuillez utiliser votre compte professionnel',
      read: [
        `Les comptes Microsoft personnels ne peuvent pas être utilisés pour ${product}. Connectez-vous avec le compte que votre organisation vous a donné.`,
      ],
    },
    tenant_not_connected: {
      title: 'Veuillez utiliser un autre compte',
      read: [
        `L’organisation de ce compte n’est pas reliée à ${product} ici. Connectez-vous avec un autre compte professionnel, ou demandez à votre administrateur.`,
      ],
    },
    step_up: {
      title: 'Microsoft demande une étape de plus',
      read: [
        'Votre organisation souhaite que vous confirmiez votre connexion, par exemple avec votre application d’authentification. Réessayez et suivez les indications de Microsoft.',
      ],
    },
    enrol_mfa: {
      title: 'Configurez d’abord la vérification en deux étapes',
      read: [
        'Votre compte n’a pas encore de vérification en deux étapes (application d’authentification). Configurez-la chez Microsoft, puis revenez et réessayez.',
      ],
    },
    mfa_not_proved: {
      title: 'La vérification en deux étapes est nécessaire',
      read: [
        `Microsoft n’a pas confirmé que vous avez utilisé la vérification en deux étapes (application d’authentification). ${product} l’exige à chaque connexion.`,
        'Si votre compte ne l’a pas encore, configurez-la et réessayez. Si vous venez de l’utiliser, prévenez votre administrateur.',
      ],
    },
    freshness_not_proved: {
      title: 'Veuillez vous connecter encore une fois',
      read: [
        'Cette étape exige une nouvelle connexion, et Microsoft n’en a pas confirmé. Réessayez et saisissez votre mot de passe quand Microsoft le demande. Si cette page revient, prévenez votre administrateur.',
      ],
    },
    other_user: {
      title: 'C’était un autre compte',
      read: ['L’application a demandé le compte qui était connecté auparavant, et vous en avez utilisé un autre. Réessayez avec ce compte.'],
    },
    locked: {
      title: 'Votre compte est verrouillé pour le moment',
      read: ['Microsoft a verrouillé ce compte, le plus souvent après un trop grand nombre d’essais. Attendez un peu, puis réessayez.'],
    },
    blocked_by_policy: {
      title: 'Votre organisation n’autorise pas cette connexion',
      read: [
        'Une stratégie de votre organisation n’autorise pas la connexion depuis cet appareil, ce lieu ou cette application. Demandez à votre administrateur ce qui est nécessaire.',
      ],
    },
    not_assigned: {
      title: 'Vous n’avez pas encore accès',
      read: [`Votre compte n’a pas encore accès à ${product}. Demandez-le à votre administrateur.`],
    },
    not_assigned_here: {
      title: 'Vous n’avez pas accès ici',
      read: [
        `Vous êtes connecté, mais votre compte ne peut pas utiliser cette instance de ${product}. Demandez l’accès à votre administrateur, ou utilisez un autre compte.`,
      ],
    },
    user_locked: {
      title: `Votre accès à ${product} est verrouillé`,
      read: [
        `Un administrateur de ${product} a verrouillé votre accès. Vous ne pouvez donc pas vous connecter.`,
        `Demandez à l’administrateur de ${product} dans votre organisation. Seul un administrateur peut le déverrouiller ; réessayer ne sert à rien.`,
      ],
    },
    tenant_locked: {
      title: `L’accès de votre organisation à ${product} est verrouillé`,
      read: [
        `Un administrateur de ${product} a verrouillé l’accès de toute votre organisation. Vous ne pouvez donc pas vous connecter.`,
        `Demandez à l’administrateur de ${product} dans votre organisation. Seul un administrateur peut le déverrouiller ; réessayer ne sert à rien.`,
      ],
    },
    client_locked: {
      title: `Cette instance de ${product} est verrouillée`,
      read: [
        'Un administrateur a verrouillé l’instance que vous voulez ouvrir. Aucun utilisateur ne peut donc s’y connecter. Votre compte n’est pas en cause.',
        `Demandez à l’administrateur de ${product} dans votre organisation quand elle sera de nouveau disponible.`,
      ],
    },
    consent: {
      title: 'Votre accord est nécessaire',
      read: [
        `Microsoft demande si ${product} peut lire votre profil de base. Réessayez et acceptez. Si Microsoft ne vous le permet pas, votre administrateur doit accepter pour tous.`,
      ],
    },
    declined: {
      title: 'Vous ne vous êtes pas connecté',
      read: [
        'La connexion chez Microsoft a été annulée. Vous pouvez réessayer, ou revenir en arrière.',
        'Microsoft a-t-il indiqué « Approbation administrateur requise » ? Un administrateur de votre organisation doit alors agir d’abord : choisissez « Accorder le consentement ».',
      ],
    },
    admin_consent: {
      title: 'Une configuration supplémentaire reste à faire',
      read: ['Vous devez contacter votre administrateur informatique. Une configuration supplémentaire reste à faire.'],
    },
    redirect_mismatch: {
      title: `${product} n’est pas configuré correctement`,
      read: ['Ce n’est pas votre faute : l’adresse de connexion n’est pas enregistrée chez Microsoft. Veuillez prévenir votre administrateur.'],
    },
    app_missing: {
      title: `${product} n’est pas configuré dans votre organisation`,
      read: [`Ce n’est pas votre faute : ${product} n’est pas configuré chez Microsoft, ou y est désactivé. Veuillez prévenir votre administrateur.`],
    },
    credential: {
      title: 'La connexion n’est pas possible pour le moment',
      read: [
        `Ce n’est pas votre faute : ${product} ne peut pas s’identifier auprès de Microsoft. Réessayez plus tard, ou prévenez votre administrateur.`,
      ],
    },
    loop: {
      title: 'Trop d’essais à la suite',
      read: ['Microsoft a vu trop de connexions à la suite. Attendez quelques minutes, puis réessayez.'],
    },
    outage: {
      title: 'Microsoft est injoignable pour le moment',
      read: ['Réessayez dans un instant. Si vous êtes déjà connecté, vous le restez.'],
    },
    clock_wrong: {
      title: 'La connexion n’est pas possible pour le moment',
      read: [`Ce n’est pas votre faute : l’horloge de ${product} est fausse. Réessayez dans un instant. Si vous êtes déjà connecté, vous le restez.`],
    },
    untrusted_token: {
      title: 'La connexion n’a pas pu être vérifiée',
      read: [
        'La réponse de Microsoft n’a pas pu être vérifiée. Vous n’êtes donc pas connecté. Réessayez. Si cela se reproduit, prévenez votre administrateur.',
      ],
    },
    unknown: {
      title: 'La connexion n’a pas fonctionné',
      read: ['Microsoft n’a pas pu vous connecter. Réessayez. Si cela se reproduit, donnez à votre administrateur le code ci-dessous.'],
    },
  },

  offers: {
    try_again: 'Réessayer',
    another_account: 'Utiliser un autre compte',
    granting_consent: 'Accorder le consentement',
    set_up_mfa: 'Configurer chez Microsoft',
  },

  stale: {
    used: {
      title: 'Cette connexion est déjà terminée',
      why: 'Elle a peut-être été terminée dans un autre onglet, ou vous êtes revenu en arrière dans votre navigateur.',
    },
    signedIn: {
      title: 'Vous êtes déjà connecté',
      why: 'Vous vous êtes connecté dans un autre onglet, ou vous êtes revenu en arrière dans votre navigateur.',
    },
    late: { title: 'Votre connexion a pris trop de temps.', why: 'Elle n’a pas été terminée à temps. Recommencez-la.' },
    elsewhere: {
      title: 'Cette connexion a été commencée dans un autre navigateur',
      why: 'Elle ne peut être terminée que dans le navigateur où elle a été commencée.',
    },
    forgotten: {
      title: 'Ce navigateur n’a pas conservé la connexion',
      why: 'La connexion a été commencée dans un autre navigateur, ou ce navigateur n’accepte pas les cookies.',
    },
    allowCookies: (host: string) => `Autorisez les cookies pour ${host}, puis recommencez.`,
    foreign: { title: 'Cette connexion ne peut pas être poursuivie', why: 'L’adresse est incomplète, ou n’a pas été créée ici.' },
    startAtApp: `Revenez à ${product} par l’adresse que vous connaissez, et connectez-vous de là.`,
  },

  notConnected: {
    title: 'La connexion n’est pas encore configurée',
    missing: `Le service de connexion de ${product} fonctionne, mais il n’est pas relié à Microsoft. Les utilisateurs ne peuvent pas se connecter tant que son exploitant n’a pas défini :`,
    operator: (setup: Child, setupCommand: Child, doctor: Child) => (
      <>
        Êtes-vous son exploitant ? Ouvrez {setup} à l’adresse des exploitants : la page vous guide, et {setupCommand} affiche ce qu’il vous faut pour
        entrer. Ou définissez ce qui manque et redémarrez le service. {doctor} vérifie chaque paramètre.
      </>
    ),
  },

  grantingConsent: {
    title: 'Accorder le consentement',
    forAdministrators: 'Pour les administrateurs informatiques',
    intro: `Une configuration supplémentaire reste à faire : votre organisation doit autoriser ${product} à connecter ses utilisateurs. Vous le faites une fois, pour tous.`,
    open: 'Ouvrez le centre d’administration Microsoft Entra comme Administrateur d’application cloud ou Administrateur général.',
    find: `Allez à Applications d’entreprise et ouvrez ${product}.`,
    findById: (id: Child) => (
      <>
        Allez à Applications d’entreprise et ouvrez {product} (ID d’application {id}).
      </>
    ),
    grant: `Sous Sécurité, choisissez Autorisations, puis « Accorder le consentement de l’administrateur ». ${product} demande le profil de base des utilisateurs qui se connectent : openid, profile, email, offline_access.`,
    tell: 'Demandez à vos utilisateurs de se reconnecter.',
    write: 'Écrire à votre administrateur',
    subject: `Merci d’autoriser ${product} pour notre organisation`,
    message: (address: string) =>
      `Je ne peux pas me connecter à ${product} : un administrateur doit l’autoriser une fois pour notre organisation. Cette page explique comment : ${address}`,
    notYou: `Vous n’êtes pas l’administrateur ? Envoyez-lui un message : il contient l’adresse de cette page. ${product} ne figure pas parmi les applications d’entreprise ? Demandez alors un lien à l’exploitant de ${product} : sa page de configuration en crée un pour votre locataire.`,
  },

  consent: {
    title: (app: string) => `${app} souhaite :`,
    scopes: {
      openid: `Savoir que c’est vous, par un identifiant créé pour ${product}`,
      profile: 'Voir votre nom et votre nom d’utilisateur chez Microsoft',
      email: 'Voir votre adresse e-mail',
      offline_access: 'Vous garder connecté',
    },
    signedInAs: (who: Child) => <>Vous êtes connecté comme {who}.</>,
    unnamed: 'votre compte Microsoft',
    allow: 'Autoriser',
    deny: 'Ne pas autoriser',
  },

  reply: {
    title: `Retour à ${product}`,
    noScript: 'Si rien ne se passe, continuez vous-même.',
    back: (app: string) => `Revenir à ${app}`,
  },

  sharedComputer: {
    use: 'Se connecter sur un ordinateur partagé',
    hint: (minutes: number) =>
      plural(minutes, {
        one: 'Vous êtes déconnecté après # minute sans utilisation.',
        other: 'Vous êtes déconnecté après # minutes sans utilisation.',
      }),
    on: (minutes: number) =>
      plural(minutes, {
        one: 'Cet ordinateur est partagé. Microsoft demande votre mot de passe. Vous êtes déconnecté après # minute sans utilisation, et quand vous fermez le navigateur.',
        other:
          'Cet ordinateur est partagé. Microsoft demande votre mot de passe. Vous êtes déconnecté après # minutes sans utilisation, et quand vous fermez le navigateur.',
      }),
    own: 'C’est mon propre ordinateur',
    signOut: 'Cet ordinateur est partagé : ensuite, vous vous déconnectez aussi de Microsoft 365.',
  },

  signOut: {
    title: 'Se déconnecter ?',
    signedInAs: (who: string, device: string) => `Connecté comme ${who} avec ${device}.`,
    question: `Où voulez-vous vous déconnecter de ${product} ?`,
    device: 'Sur cet appareil',
    deviceHint: (apps: readonly string[]) =>
      apps.length === 0 ? 'Vous n’avez ouvert aucune application dans ce navigateur.' : `Dans ce navigateur : ${apps.join(', ')}.`,
    everywhere: 'Partout',
    everywhereOnlyHere: 'Sur tous les appareils. Vous n’êtes connecté que sur celui-ci.',
    everywhereOthers: (others: number) => plural(others, { one: 'Sur cet appareil et sur # autre.', other: 'Sur cet appareil et sur # autres.' }),
    microsoft: 'Se déconnecter aussi de Microsoft 365',
    microsoftHint: 'Dans ce navigateur : Outlook, Teams et tout ce que vous avez ouvert avec ce compte.',
    stay: 'Rester connecté',
    otherUserTitle: 'Un autre utilisateur est connecté ici',
    otherUser: (app: string, who: string) =>
      `${app} a demandé de déconnecter un autre utilisateur. Dans ce navigateur, ${who} est connecté et serait déconnecté.`,
    sinceTitle: 'Vous vous êtes reconnecté depuis',
    since: (app: string) => `${app} a demandé de fermer une connexion antérieure. Vous déconnecter maintenant ferme celle qui figure ci-dessous.`,
    oldPageTitle: 'Cette page est trop ancienne',
    oldPage: 'Rien n’a été modifié : la page à laquelle vous avez répondu a expiré.',
    oldPageNext: 'Ouvrez de nouveau la page de déconnexion et choisissez là.',
    notSaved: {
      title: 'Vous êtes encore connecté',
      what: 'La déconnexion n’a pas pu être enregistrée. Rien n’a été modifié : vous êtes encore connecté partout.',
    },
    tooLongTitle: 'Vous ne pouvez pas être déconnecté ainsi',
    tooLong: 'Rien n’a été modifié : la demande de déconnexion est plus longue que ce qui est permis.',
    tooLongNext: 'Déconnectez-vous plutôt ici.',
  },

  signOutAgain: {
    forged: {
      title: 'Veuillez confirmer encore',
      text: 'Rien n’a été modifié : votre réponse ne venait pas d’une page affichée dans ce navigateur.',
    },
    other: { title: 'Une autre connexion l’a remplacée', text: 'Rien n’a été modifié : un utilisateur s’est connecté ici depuis la question.' },
    nothing: { title: 'Veuillez choisir', text: 'Rien n’a été modifié : choisissez où vous voulez vous déconnecter.' },
  },

  signOutRefused: {
    noticeTitle: 'Une erreur s’est produite sur le site précédent',
    notice: (why: string) => `${why} Vous pouvez vous déconnecter, mais vous ne serez pas ramené.`,
    title: 'Vous êtes déconnecté, mais nous n’avons pas pu vous ramener',
    what: (why: string) => `Vous n’êtes pas connecté à ${product} dans ce navigateur. ${why}`,
    next: `Revenez à ${product} par l’adresse que vous connaissez. Son administrateur peut corriger la demande.`,
    why: {
      malformed: 'La demande de déconnexion n’a pas pu être lue.',
      hint: 'La demande de déconnexion contient un jeton d’identité (id_token_hint) qui ne vient pas d’ici, ou qui a été modifié depuis.',
      client:
        'La demande de déconnexion nomme un client (client_id) qui n’est pas enregistré ici, ou auquel son jeton d’identité n’a pas été délivré.',
      address: 'La demande de déconnexion nomme une adresse de retour (post_logout_redirect_uri) que son client n’a pas enregistrée.',
      address_without_client: 'La demande de déconnexion nomme une adresse de retour (post_logout_redirect_uri) sans id_token_hint ni client_id.',
    },
  },

  signedOut: {
    title: {
      device: 'Vous êtes déconnecté sur cet appareil',
      everywhere: 'Vous êtes déconnecté partout',
      none: 'Vous n’êtes pas connecté ici',
    },
    what: {
      device: 'Dans ce navigateur, vous êtes déconnecté de :',
      everywhere: 'Sur tous les appareils, vous êtes déconnecté de :',
      none: `Vous n’êtes pas connecté à ${product} dans ce navigateur.`,
    },
    reload: 'Rechargez la page pour voir ce qui a changé.',
    plain: `Vous êtes déconnecté de ${product}.`,
    why: {
      signed_out: 'Vous vous étiez déjà déconnecté.',
      ended_elsewhere: 'Votre connexion dans ce navigateur avait déjà été fermée depuis un autre endroit.',
      administrator: 'Un administrateur avait déjà fermé votre connexion.',
      account: `Votre connexion était déjà fermée, parce que votre compte Microsoft ou son accès à ${product} a changé.`,
      expired: 'Votre connexion avait déjà expiré.',
    },
    progress: { delivered: 'Déconnecté', pending: 'Déconnexion…', unconfirmed: 'Pas encore confirmé' },
    unconfirmed:
      'Une application injoignable vous déconnecte dès qu’elle est de retour. Jusque-là, elle peut vous montrer comme connecté, quelques minutes au plus.',
    elsewhereTitle: (devices: number) =>
      plural(devices, { one: 'Vous êtes encore connecté sur # autre appareil', other: 'Vous êtes encore connecté sur # autres appareils' }),
    elsewhere:
      'Cet appareil était déjà déconnecté avant votre choix. Connectez-vous et ouvrez « Où vous êtes connecté » pour vous déconnecter là aussi.',
    microsoftNextTitle: 'Il reste une étape : Microsoft 365',
    microsoftNext: `Vous êtes déconnecté de ${product}. La page de Microsoft s’ouvre ensuite. Quoi qu’elle affiche, vous restez déconnecté ici.`,
    microsoftGo: 'Se déconnecter de Microsoft 365',
    microsoftLeft: 'Vous vous êtes aussi déconnecté de Microsoft 365 dans ce navigateur.',
    microsoftUnreachableTitle: 'Vous êtes peut-être encore connecté à Microsoft 365',
    microsoftUnreachable:
      'Microsoft était injoignable. Déconnectez-vous là vous-même, par exemple dans Outlook, ou fermez toutes les fenêtres de ce navigateur.',
    back: (app: string) => `Retour à ${app}`,
    signedInTitle: 'Vous êtes connecté',
    signedIn: (who: string) => `Dans ce navigateur, ${who} est connecté à ${product}.`,
  },

  sessionLimit: {
    title: 'Vous êtes connecté trop de fois',
    most: (most: number) =>
      plural(most, {
        one: 'Vous pouvez être connecté sur # appareil à la fois. Déconnectez-vous là pour vous connecter ici.',
        other: 'Vous pouvez être connecté sur # appareils à la fois. Déconnectez-vous quelque part pour vous connecter ici.',
      }),
    choose: (count: number) => plural(count, { one: 'Quelle connexion doit se fermer ?', other: 'Choisissez # connexions à fermer' }),
    lastUsed: (lastUsed: string) => `Dernière utilisation : ${lastUsed}`,
    end: 'Se déconnecter là et se connecter ici',
    back: 'Ne pas se connecter',
  },

  sessions: {
    title: 'Où vous êtes connecté',
    thisDevice: 'Cet appareil',
    since: 'Depuis',
    lastUsed: 'Dernière utilisation',
    endsBy: 'Se termine au plus tard',
    signOutOf: (device: string, lastUsed: string) => `Déconnecter ${device}, dernière utilisation ${lastUsed}`,
    signedOut: (device: string) => `Déconnecté : ${device}`,
    tenant: 'Gérer les utilisateurs de votre organisation',
    lostDevice: 'Un appareil perdu, ou un doute sur l’un d’eux ?',
    everywhereTitle: 'Se déconnecter partout ?',
    everywhereHint: '« Se déconnecter partout » ferme chaque connexion ci-dessus, celle-ci comprise, dans toutes les applications à la fois.',
    everywhere: 'Se déconnecter partout',
    endsSoonTitle: 'Vous serez bientôt déconnecté',
    endsSoon: (at: Child) => <>Cette connexion se termine le {at}. Enregistrez votre travail dans toutes les applications avant.</>,
    forgedTitle: 'Veuillez réessayer',
    forged: 'Rien n’a été modifié : la demande ne venait pas d’une page affichée dans ce navigateur.',
    notSaved: { title: 'Vous êtes encore connecté', what: 'La déconnexion n’a pas pu être enregistrée. Rien n’a été modifié.' },
  },

  grants: {
    title: 'Applications et consentements',
    intro: 'Ces applications utilisent votre connexion ici. Vous voyez aussi ce que vous avez accepté.',
    none: 'Aucune application n’utilise votre connexion en ce moment.',
    devices: (devices: number) => plural(devices, { one: 'Connecté sur # appareil', other: 'Connecté sur # appareils' }),
    notSignedIn: 'Pas connecté en ce moment',
    agreed: 'Accepté le',
    may: 'Elle peut',
    end: 'Mettre fin à l’accès',
    endOf: (app: string) => `Mettre fin à l’accès : ${app}`,
    ended: (app: string) => `Accès terminé : ${app}`,
    endedHint: 'Vous restez connecté ici : l’application vous reconnecte donc quand vous l’ouvrez.',
    notSaved: { title: 'Rien n’a été modifié', what: 'La fin de l’accès n’a pas pu être enregistrée.' },
  },

  history: {
    title: 'Historique de sécurité',
    intro: `Les connexions à ${product} avec votre compte, les connexions refusées, et les endroits où une connexion s’est terminée. Les plus récentes d’abord.`,
    none: 'Il n’y a aucune entrée.',
    pages: 'Pages',
    newest: 'Entrées les plus récentes',
    older: 'Entrées plus anciennes',
    kind: {
      signed_in: 'Connexion',
      renewed: 'Nouvelle connexion',
      sign_in_rejected: 'Connexion refusée',
      ended: 'Déconnexion',
      reported: 'Vous avez signalé : ce n’était pas moi',
    },
    grantEnded: 'Déconnexion d’une application',
    when: 'Quand',
    why: 'Pourquoi',
    by: 'Par',
    device: 'Appareil',
    app: 'Application',
    address: 'Adresse IP',
    addressesTitle: 'Les adresses IP sont masquées',
    addresses: 'Elles sont affichées pendant cinq minutes après la saisie de votre mot de passe.',
    proveFirst: 'Saisir votre mot de passe maintenant',
    ended: {
      signed_out: 'Déconnexion',
      ended_elsewhere: 'Fermée depuis un autre endroit',
      administrator: 'Fermée par un administrateur',
      account: 'Votre compte Microsoft ou son accès a changé',
      expired: 'La connexion a expiré',
    },
    rejected: {
      mfa_not_proved: 'La vérification en deux étapes n’a pas été terminée',
      freshness_not_proved: 'Une nouvelle connexion n’a pas été confirmée',
      not_assigned_here: 'Le compte n’a pas accès à cette application',
      other_user: 'L’application attendait un autre utilisateur',
      tenant_not_connected: 'L’organisation n’est pas reliée',
      user_locked: 'Votre accès était verrouillé',
      tenant_locked: 'L’accès de votre organisation était verrouillé',
      client_locked: 'L’application était verrouillée',
    },
    rejectedOther: `${product} n’a pas accepté la connexion`,
    actor: {
      user: 'Vous',
      otherUser: 'Un autre utilisateur du même navigateur',
      client: 'L’application',
      microsoft: 'Vous, chez Microsoft',
    },
  },

  report: {
    notMe: 'Ce n’était pas moi',
    notMeOf: (what: string, when: string) => `Ce n’était pas moi : ${what}, ${when}`,
    title: 'Ce n’était pas vous ?',
    ends: 'Si vous confirmez, cette connexion se ferme aussitôt, dans toutes les applications.',
    nothingLeft:
      'Cette connexion n’est plus ouverte. Si vous confirmez, vous êtes déconnecté ici, et chaque nouvelle connexion demande votre mot de passe.',
    tells: 'Nous prévenons vos administrateurs. Ensuite, chaque nouvelle connexion demande votre mot de passe, sur chaque appareil.',
    endsHere: 'Vous n’avez pas saisi votre mot de passe au cours des cinq dernières minutes. Vous êtes donc déconnecté ici aussi.',
    more: 'De plus :',
    everywhere: 'Se déconnecter partout, sur cet appareil aussi',
    microsoft: 'Se déconnecter de Microsoft 365 sur chaque appareil',
    microsoftHint: 'Outlook, Teams et toutes les autres applications Microsoft se ferment aussi.',
    confirm: 'Confirmer : ce n’était pas moi',
    cancel: 'Annuler',
    doneTitle: 'Merci. Nous avons prévenu vos administrateurs.',
    done: 'Ce que vous avez signalé est fermé. Si vous ne savez pas comment cela s’est produit, faites maintenant ce qui suit :',
    password: (link: Child) => <>Changez votre mot de passe : {link}.</>,
    methods: (link: Child) => <>Vérifiez vos méthodes de connexion et supprimez celles qui ne sont pas à vous : {link}.</>,
    administrator: 'Dites à votre administrateur quand cela s’est produit, et ce que vous avez remarqué.',
    notSaved: { title: 'Rien n’a été modifié', what: 'Votre signalement n’a pas pu être enregistré.' },
  },

  ready: {
    title: 'Vérifier que votre compte est prêt',
    intro: `Connectez-vous une fois, et cette page montre si vous pouvez utiliser ${product}. Elle répond à trois questions :`,
    reach: 'Avez-vous accès à votre compte Microsoft ?',
    reachHint:
      'Il vous faut votre compte professionnel et son mot de passe. Oublié ? Choisissez « Votre compte n’est pas accessible ? » sur la page de Microsoft.',
    connected: `Votre compte est-il relié à ${product} ?`,
    connectedHint:
      'L’administrateur de votre organisation vous donne l’accès. Si Microsoft affiche « Approbation de l’administrateur nécessaire », dites-le-lui.',
    mfa: 'La vérification en deux étapes (application d’authentification) est-elle configurée ?',
    mfaHint: (link: Child) => (
      <>Ayez votre téléphone à portée de main. Rien n’est encore configuré ? Faites-le d’abord à {link}, par exemple avec Microsoft Authenticator.</>
    ),
    unavailableTitle: 'La connexion n’est pas encore disponible',
    unavailable: `Ce ${product} n’est pas relié à Microsoft. Son administrateur doit d’abord terminer la configuration.`,
    open: (app: string) => `Ouvrir ${app}`,
    isReady: `Vous pouvez utiliser ${product}.`,
    notReady: 'Il reste une chose à faire.',
    confirmed: (ago: string) => `Microsoft a confirmé que c’est vous, ${ago}.`,
    proved: 'Microsoft a confirmé votre vérification en deux étapes, maintenant ou récemment.',
    required: `Votre organisation exige la vérification en deux étapes pour ${product}, et Microsoft vous a laissé entrer.`,
    noApps: `Votre organisation n’a pas encore de ${product} ici. Demandez l’adresse à votre administrateur.`,
    closed: (names: string) =>
      `Pas ouvert pour vous : ${names}. Si vous en avez besoin, demandez à votre administrateur de vous attribuer ce rôle pour ${product} dans Microsoft Entra :`,
  },
})
