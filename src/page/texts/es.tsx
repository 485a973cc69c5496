import type { Child } from 'hono/jsx'
import type { Texts } from './en.tsx'
import { plurals } from './plural.ts'

/** Spanish. Not yet reviewed by a native speaker. */

const plural = plurals('es')

export const es = (product: string): Texts => ({
  language: 'es',
  name: 'Español',
  direction: 'ltr',
  locale: 'es-ES',

  layout: {
    skip: 'Ir al contenido',
    help: 'Ayuda',
    helpAt: (where: string) => `Ayuda: ${where}`,
    privacy: 'Privacidad',
    terms: 'Condiciones de uso',
    accessibility: 'Accesibilidad',
    languages: 'Idioma',
    simulatedLabel: 'Simulado',
    simulated: 'Aquí se simula Microsoft, para probar. No se usa ninguna cuenta real.',
  },

  shared: {
    signOut: 'Cerrar sesión',
    signInAgain: 'Iniciar sesión de nuevo',
    whereSignedIn: 'Dónde tiene sesiones abiertas',
    signInWithMicrosoft: 'Iniciar sesión con Microsoft',
    noApps: 'Todavía ninguna aplicación abierta',
    continue: 'Continuar',
    requestUnusable: 'Esta solicitud no se puede usar',
    microsoftMayRemain: 'Es posible que su sesión en Microsoft 365 siga abierta en este navegador. En un equipo compartido, ciérrela allí también.',
    trouble: (href: string) => (
      <>
        ¿Problemas para iniciar sesión? <a href={href}>Compruebe su cuenta</a>
      </>
    ),
    unnamedUser: 'un usuario cuyo nombre Microsoft no envió',
    justNow: 'ahora mismo',
  },

  nav: {
    label: 'Su cuenta',
    apps: 'Sus aplicaciones',
    sessions: 'Dispositivos',
    grants: 'Aplicaciones y consentimientos',
    history: 'Historial de seguridad',
    ready: 'Comprobar la cuenta',
  },

  home: {
    title: 'Sus aplicaciones',
    intro: `Inicie sesión una vez con su cuenta profesional y abra cada ${product} de su organización.`,
    noAddress: 'Ábrala por la dirección que conoce.',
  },

  nothing: {
    title: 'No hay ninguna página en esta dirección',
    what: 'La dirección está incompleta o ya no es válida.',
    home: 'Ir a sus aplicaciones',
  },

  answer: { yes: 'Sí.', no: 'No.', warning: 'No del todo.', unknown: 'Aún no se sabe.' },

  message: {
    copy: 'Copiar la referencia',
    copied: 'Copiada',
    reference: (reference: Child) => <>Si pide ayuda, indique la referencia {reference}.</>,
    referenceAndCode: (reference: Child, code: number) => (
      <>
        Si pide ayuda, indique la referencia {reference} y el código de Microsoft: {code}.
      </>
    ),
    code: (code: string) => `El código de Microsoft es ${code}.`,
  },

  errors: {
    notShownTitle: 'Esta página no se puede mostrar en este momento',
    notShown: 'No se pudo leer su contenido. No se cambió nada.',
    tryInAMoment: 'Inténtelo de nuevo en un momento. Si el problema continúa, avise a su administrador.',
    bugTitle: 'Algo ha fallado aquí',
    bug: 'No se pudo mostrar esta página. El error es nuestro y ha quedado registrado.',
    tryAgain: 'Inténtelo de nuevo. Si vuelve a ocurrir, avise a su administrador.',
    appAsked: 'La aplicación que le envió aquí pidió algo que aquí no es posible. Su cuenta no es la causa.',
    appAskedNext: 'Vuelva a la aplicación e inténtelo de nuevo. Si vuelve a ocurrir, avise a su administrador.',
    tooManyTitle: 'Demasiadas solicitudes',
    tooMany: 'Llegaron demasiadas solicitudes desde su red. Espere un momento e inténtelo de nuevo.',
    detail: (detail: Child) => <>Para su administrador: {detail}</>,
    tooLong: 'No se cambió nada: la solicitud es más larga de lo permitido.',
  },

  signIn: {
    title: 'Iniciar sesión',
    toApp: (name: Child) => <>Inicie sesión con su cuenta profesional para continuar a {name}.</>,
    toAccount: 'Inicie sesión con su cuenta profesional para ver dónde tiene sesiones abiertas.',
    toReady: 'Inicie sesión con su cuenta profesional para comprobar que está lista.',
    toApps: 'Inicie sesión con su cuenta profesional para ver sus aplicaciones.',
    toTenant: 'Inicie sesión con su cuenta profesional para administrar los usuarios de su organización.',
    destination: (host: Child) => <>Se le llevará a {host}.</>,
    ended: {
      ended_elsewhere: 'Su sesión anterior en este navegador se cerró desde otro lugar.',
      administrator: 'Un administrador cerró su sesión anterior en este navegador.',
      account: `Su sesión anterior en este navegador se cerró porque su cuenta de Microsoft o su acceso a ${product} cambió.`,
      expired: 'Su sesión anterior en este navegador ha caducado.',
    },
    password: 'Inicie sesión de nuevo. Microsoft le pide su contraseña.',
    replaces: (who: Child) => <>Ha iniciado sesión como {who}. Cuando otro usuario inicia sesión, esta sesión se cierra en este navegador.</>,
    notSaved: { title: 'Todavía no ha iniciado sesión', what: 'No se pudo guardar su inicio de sesión. No se cambió nada.' },
  },

  guidance: {
    sign_in_again: { title: 'Inicie sesión de nuevo', read: ['Microsoft le pide que inicie sesión de nuevo antes de continuar.'] },
    account_disabled: {
      title: 'Esta cuenta no puede iniciar sesión',
      read: ['Su organización ha desactivado esta cuenta. Póngase en contacto con su administrador.'],
    },
    another_account: {
      title: 'Use otra cuenta',
      read: [`Esta cuenta no pertenece a ninguna organización que use ${product} aquí. Inicie sesión con su cuenta profesional.`],
    },
    personal_account: {
      title: 'Use su cuenta profesional',
      read: [`Las cuentas personales de Microsoft no se pueden usar para ${product}. Inicie sesión con la cuenta que le dio su organización.`],
    },
    tenant_not_connected: {
      title: 'Use otra cuenta',
      read: [
        `La organización de esta cuenta no está conectada a ${product} aquí. Inicie sesión con otra cuenta profesional o pregunte a su administrador.`,
      ],
    },
    step_up: {
      title: 'Microsoft pide un paso más',
      read: [
        'Su organización quiere que confirme el inicio de sesión, por ejemplo con su aplicación de autenticación. Inténtelo de nuevo y siga lo que Microsoft le pida.',
      ],
    },
    enrol_mfa: {
      title: 'Configure primero la verificación en dos pasos',
      read: [
        'Su cuenta todavía no tiene verificación en dos pasos (aplicación de autenticación). Configúrela en Microsoft, vuelva e inténtelo de nuevo.',
      ],
    },
    mfa_not_proved: {
      title: 'Se necesita la verificación en dos pasos',
      read: [
        `Microsoft no confirmó que usara la verificación en dos pasos (aplicación de autenticación). ${product} la exige en cada inicio de sesión.`,
        'Si su cuenta todavía no la tiene, configúrela e inténtelo de nuevo. Si acaba de usarla, avise a su administrador.',
      ],
    },
    freshness_not_proved: {
      title: 'Inicie sesión una vez más',
      read: [
        'Este paso necesita un inicio de sesión nuevo, y Microsoft no confirmó ninguno. Inténtelo de nuevo y escriba su contraseña cuando Microsoft la pida. Si esta página vuelve a aparecer, avise a su administrador.',
      ],
    },
    other_user: {
      title: 'Esa era otra cuenta',
      read: ['La aplicación pidió la cuenta que había iniciado sesión antes, y usted usó otra. Inténtelo de nuevo con aquella cuenta.'],
    },
    locked: {
      title: 'Su cuenta está bloqueada por ahora',
      read: ['Microsoft ha bloqueado esta cuenta, normalmente tras demasiados intentos. Espere un rato e inténtelo de nuevo.'],
    },
    blocked_by_policy: {
      title: 'Su organización no permite este inicio de sesión',
      read: [
        'Una directiva de su organización no permite iniciar sesión desde este dispositivo, lugar o aplicación. Pregunte a su administrador qué se necesita.',
      ],
    },
    not_assigned: {
      title: 'Todavía no tiene acceso',
      read: [`Su cuenta todavía no tiene acceso a ${product}. Pídaselo a su administrador.`],
    },
    not_assigned_here: {
      title: 'No tiene acceso aquí',
      read: [`Ha iniciado sesión, pero su cuenta no puede usar esta instancia de ${product}. Pida acceso a su administrador o use otra cuenta.`],
    },
    user_locked: {
      title: `Su acceso a ${product} está bloqueado`,
      read: [
        `Un administrador de ${product} ha bloqueado su acceso, por lo que no puede iniciar sesión.`,
        `Pregunte al administrador de ${product} de su organización. Solo un administrador puede desbloquearlo; intentarlo otra vez no sirve.`,
      ],
    },
    tenant_locked: {
      title: `El acceso de su organización a ${product} está bloqueado`,
      read: [
        `Un administrador de ${product} ha bloqueado el acceso de toda su organización, por lo que no puede iniciar sesión.`,
        `Pregunte al administrador de ${product} de su organización. Solo un administrador puede desbloquearlo; intentarlo otra vez no sirve.`,
      ],
    },
    client_locked: {
      title: `Esta instancia de ${product} está bloqueada`,
      read: [
        'Un administrador ha bloqueado la instancia que quiere abrir, por lo que ningún usuario puede iniciar sesión en ella. Su cuenta no es la causa.',
        `Pregunte al administrador de ${product} de su organización cuándo volverá a estar disponible.`,
      ],
    },
    consent: {
      title: 'Se necesita su consentimiento',
      read: [
        `Microsoft pregunta si ${product} puede leer su perfil básico. Inténtelo de nuevo y acepte. Si Microsoft no se lo permite, su administrador tiene que aceptar por todos.`,
      ],
    },
    declined: {
      title: 'No ha iniciado sesión',
      read: [
        'El inicio de sesión en Microsoft se canceló. Puede intentarlo de nuevo o volver.',
        '¿Dijo Microsoft «Se necesita aprobación del administrador»? Entonces un administrador de su organización tiene que actuar primero: elija «Conceder el consentimiento».',
      ],
    },
    admin_consent: {
      title: 'Queda por hacer una configuración adicional',
      read: ['Tiene que ponerse en contacto con su administrador de TI. Queda por hacer una configuración adicional.'],
    },
    redirect_mismatch: {
      title: `${product} no está configurado correctamente`,
      read: ['No es culpa suya: la dirección de inicio de sesión no está registrada en Microsoft. Avise a su administrador.'],
    },
    app_missing: {
      title: `${product} no está configurado en su organización`,
      read: [`No es culpa suya: ${product} no está configurado en Microsoft o está desactivado. Avise a su administrador.`],
    },
    credential: {
      title: 'No es posible iniciar sesión en este momento',
      read: [`No es culpa suya: ${product} no puede identificarse ante Microsoft. Inténtelo más tarde o avise a su administrador.`],
    },
    loop: {
      title: 'Demasiados intentos seguidos',
      read: ['Microsoft ha visto demasiados inicios de sesión seguidos. Espere unos minutos e inténtelo de nuevo.'],
    },
    outage: {
      title: 'No se puede contactar con Microsoft en este momento',
      read: ['Inténtelo de nuevo en un momento. Si ya ha iniciado sesión, su sesión sigue abierta.'],
    },
    clock_wrong: {
      title: 'No es posible iniciar sesión en este momento',
      read: [
        `No es culpa suya: el reloj de ${product} está mal. Inténtelo de nuevo en un momento. Si ya ha iniciado sesión, su sesión sigue abierta.`,
      ],
    },
    untrusted_token: {
      title: 'No se pudo verificar el inicio de sesión',
      read: [
        'No se pudo verificar la respuesta de Microsoft, por lo que no ha iniciado sesión. Inténtelo de nuevo. Si vuelve a ocurrir, avise a su administrador.',
      ],
    },
    unknown: {
      title: 'El inicio de sesión no funcionó',
      read: ['Microsoft no pudo iniciar su sesión. Inténtelo de nuevo. Si vuelve a ocurrir, dé a su administrador el código de abajo.'],
    },
  },

  offers: {
    try_again: 'Intentarlo de nuevo',
    another_account: 'Usar otra cuenta',
    granting_consent: 'Conceder el consentimiento',
    set_up_mfa: 'Configurar en Microsoft',
  },

  stale: {
    used: {
      title: 'Este inicio de sesión ya terminó',
      why: 'Tal vez terminó en otra pestaña, o usted volvió atrás en el navegador.',
    },
    signedIn: { title: 'Ya ha iniciado sesión', why: 'Inició sesión en otra pestaña, o volvió atrás en el navegador.' },
    late: { title: 'Su inicio de sesión tardó demasiado.', why: 'No se terminó a tiempo. Empiece de nuevo.' },
    elsewhere: {
      title: 'Este inicio de sesión se empezó en otro navegador',
      why: 'Solo se puede terminar en el navegador en el que se empezó.',
    },
    forgotten: {
      title: 'Este navegador no conservó el inicio de sesión',
      why: 'El inicio de sesión se empezó en otro navegador, o este navegador no acepta cookies.',
    },
    allowCookies: (host: string) => `Permita las cookies para ${host} y empiece de nuevo.`,
    foreign: { title: 'Este inicio de sesión no se puede continuar', why: 'La dirección está incompleta o no se creó aquí.' },
    startAtApp: `Vuelva a ${product} por la dirección que conoce e inicie sesión desde allí.`,
  },

  notConnected: {
    title: 'El inicio de sesión todavía no está configurado',
    missing: `El servicio de inicio de sesión de ${product} funciona, pero no está conectado a Microsoft. Los usuarios no pueden iniciar sesión hasta que su operador configure:`,
    operator: (setup: Child, setupCommand: Child, doctor: Child) => (
      <>
        ¿Es usted su operador? Abra {setup} en la dirección de operadores: le guía por los pasos, y {setupCommand} imprime lo que necesita para
        entrar. O configure lo que falta y reinicie el servicio. {doctor} comprueba cada ajuste.
      </>
    ),
  },

  grantingConsent: {
    title: 'Conceder el consentimiento',
    forAdministrators: 'Para administradores de TI',
    intro: `Queda por hacer una configuración adicional: su organización tiene que permitir que ${product} inicie la sesión de sus usuarios. Se hace una vez, para todos.`,
    open: 'Abra el centro de administración de Microsoft Entra como Administrador de aplicaciones en la nube o Administrador global.',
    find: `Vaya a Aplicaciones empresariales y abra ${product}.`,
    findById: (id: Child) => (
      <>
        Vaya a Aplicaciones empresariales y abra {product} (id. de aplicación {id}).
      </>
    ),
    grant: `En Seguridad, elija Permisos y luego «Conceder consentimiento de administrador». ${product} pide el perfil básico de los usuarios que inician sesión: openid, profile, email, offline_access.`,
    tell: 'Pida a sus usuarios que inicien sesión de nuevo.',
    write: 'Escribir a su administrador',
    subject: `Por favor, permita ${product} para nuestra organización`,
    message: (address: string) =>
      `No puedo iniciar sesión en ${product}: un administrador tiene que permitirlo una vez para nuestra organización. Esta página explica cómo: ${address}`,
    notYou: `¿No es usted el administrador? Envíele un mensaje: contiene la dirección de esta página. ¿${product} no está entre las aplicaciones empresariales? Entonces pida un enlace al operador de ${product}: su página de configuración crea uno para su inquilino.`,
  },

  consent: {
    title: (app: string) => `${app} quiere:`,
    scopes: {
      openid: `Saber que es usted, por un identificador creado para ${product}`,
      profile: 'Ver su nombre y su nombre de usuario en Microsoft',
      email: 'Ver su dirección de correo electrónico',
      offline_access: 'Mantener su sesión abierta',
    },
    signedInAs: (who: Child) => <>Ha iniciado sesión como {who}.</>,
    unnamed: 'su cuenta de Microsoft',
    allow: 'Permitir',
    deny: 'No permitir',
  },

  reply: {
    title: `Volviendo a ${product}`,
    noScript: 'Si no ocurre nada, continúe usted.',
    back: (app: string) => `Volver a ${app}`,
  },

  sharedComputer: {
    use: 'Iniciar sesión en un equipo compartido',
    hint: (minutes: number) =>
      plural(minutes, {
        one: 'Su sesión se cierra tras # minuto sin uso.',
        other: 'Su sesión se cierra tras # minutos sin uso.',
      }),
    on: (minutes: number) =>
      plural(minutes, {
        one: 'Este equipo es compartido. Microsoft le pide su contraseña. Su sesión se cierra tras # minuto sin uso y cuando cierra el navegador.',
        other: 'Este equipo es compartido. Microsoft le pide su contraseña. Su sesión se cierra tras # minutos sin uso y cuando cierra el navegador.',
      }),
    own: 'Este es mi propio equipo',
    signOut: 'Este equipo es compartido: a continuación cierra también la sesión de Microsoft 365.',
  },

  signOut: {
    title: '¿Cerrar sesión?',
    signedInAs: (who: string, device: string) => `Sesión iniciada como ${who} con ${device}.`,
    question: `¿Dónde quiere cerrar su sesión de ${product}?`,
    device: 'En este dispositivo',
    deviceHint: (apps: readonly string[]) =>
      apps.length === 0 ? 'No ha abierto ninguna aplicación en este navegador.' : `En este navegador: ${apps.join(', ')}.`,
    everywhere: 'En todas partes',
    everywhereOnlyHere: 'En todos los dispositivos. Solo tiene sesión en este.',
    everywhereOthers: (others: number) => plural(others, { one: 'En este dispositivo y en # más.', other: 'En este dispositivo y en # más.' }),
    microsoft: 'Cerrar también la sesión de Microsoft 365',
    microsoftHint: 'En este navegador: Outlook, Teams y todo lo que abrió con esta cuenta.',
    stay: 'Mantener la sesión',
    otherUserTitle: 'Aquí ha iniciado sesión otro usuario',
    otherUser: (app: string, who: string) =>
      `${app} pidió cerrar la sesión de otro usuario. En este navegador ha iniciado sesión ${who}, y se cerraría su sesión.`,
    sinceTitle: 'Ha iniciado sesión de nuevo desde entonces',
    since: (app: string) => `${app} pidió cerrar una sesión anterior suya. Si la cierra ahora, termina la que aparece abajo.`,
    oldPageTitle: 'Esta página es demasiado antigua',
    oldPage: 'No se cambió nada: la página que respondió ha caducado.',
    oldPageNext: 'Abra de nuevo la página para cerrar sesión y elija allí.',
    notSaved: {
      title: 'Su sesión sigue abierta',
      what: 'No se pudo guardar el cierre de sesión. No se cambió nada: su sesión sigue abierta en todas partes.',
    },
    tooLongTitle: 'Así no se puede cerrar su sesión',
    tooLong: 'No se cambió nada: la solicitud de cierre de sesión es más larga de lo permitido.',
    tooLongNext: 'Cierre la sesión aquí.',
  },

  signOutAgain: {
    forged: { title: 'Confirme de nuevo', text: 'No se cambió nada: su respuesta no venía de una página mostrada en este navegador.' },
    other: { title: 'Otro inicio de sesión la ha reemplazado', text: 'No se cambió nada: un usuario ha iniciado sesión aquí desde la pregunta.' },
    nothing: { title: 'Elija una opción', text: 'No se cambió nada: elija dónde quiere cerrar la sesión.' },
  },

  signOutRefused: {
    noticeTitle: 'Algo falló en el sitio anterior',
    notice: (why: string) => `${why} Puede cerrar la sesión, pero no se le llevará de vuelta.`,
    title: 'Su sesión está cerrada, pero no pudimos llevarle de vuelta',
    what: (why: string) => `No tiene ninguna sesión de ${product} en este navegador. ${why}`,
    next: `Vuelva a ${product} por la dirección que conoce. Su administrador puede corregir la solicitud.`,
    why: {
      malformed: 'No se pudo leer la solicitud de cierre de sesión.',
      hint: 'La solicitud de cierre de sesión tiene un token de identidad (id_token_hint) que no se emitió aquí, o que ha cambiado desde entonces.',
      client:
        'La solicitud de cierre de sesión nombra un cliente (client_id) que no está registrado aquí, o al que no se emitió su token de identidad.',
      address: 'La solicitud de cierre de sesión nombra una dirección de retorno (post_logout_redirect_uri) que su cliente no ha registrado.',
      address_without_client:
        'La solicitud de cierre de sesión nombra una dirección de retorno (post_logout_redirect_uri) sin id_token_hint ni client_id.',
    },
  },

  signedOut: {
    title: {
      device: 'Su sesión está cerrada en este dispositivo',
      everywhere: 'Su sesión está cerrada en todas partes',
      none: 'Aquí no tiene ninguna sesión abierta',
    },
    what: {
      device: 'En este navegador se ha cerrado su sesión en:',
      everywhere: 'En todos los dispositivos se ha cerrado su sesión en:',
      none: `No tiene ninguna sesión de ${product} en este navegador.`,
    },
    reload: 'Recargue la página para ver qué ha cambiado.',
    plain: `Se ha cerrado su sesión de ${product}.`,
    why: {
      signed_out: 'Ya había cerrado la sesión.',
      ended_elsewhere: 'Su sesión en este navegador ya se había cerrado desde otro lugar.',
      administrator: 'Un administrador ya había cerrado su sesión.',
      account: `Su sesión ya se había cerrado porque su cuenta de Microsoft o su acceso a ${product} cambió.`,
      expired: 'Su sesión ya había caducado.',
    },
    progress: { delivered: 'Sesión cerrada', pending: 'Cerrando sesión…', unconfirmed: 'Aún sin confirmar' },
    unconfirmed:
      'Una aplicación a la que no se puede llegar cierra su sesión en cuanto vuelve. Hasta entonces puede mostrarle con la sesión abierta, unos minutos como máximo.',
    elsewhereTitle: (devices: number) =>
      plural(devices, { one: 'Su sesión sigue abierta en otro dispositivo', other: 'Su sesión sigue abierta en otros # dispositivos' }),
    elsewhere:
      'La sesión de este dispositivo ya estaba cerrada antes de que eligiera. Inicie sesión y abra «Sesiones abiertas» para cerrarlas allí también.',
    microsoftNextTitle: 'Queda un paso: Microsoft 365',
    microsoftNext: `Ha cerrado la sesión de ${product}. A continuación se abre la página de Microsoft. Muestre lo que muestre, aquí su sesión sigue cerrada.`,
    microsoftGo: 'Cerrar la sesión de Microsoft 365',
    microsoftLeft: 'También ha cerrado la sesión de Microsoft 365 en este navegador.',
    microsoftUnreachableTitle: 'Es posible que su sesión en Microsoft 365 siga abierta',
    microsoftUnreachable:
      'No se pudo contactar con Microsoft. Cierre la sesión allí usted mismo, por ejemplo en Outlook, o cierre todas las ventanas de este navegador.',
    back: (app: string) => `Volver a ${app}`,
    signedInTitle: 'Ha iniciado sesión',
    signedIn: (who: string) => `En este navegador ${who} ha iniciado sesión en ${product}.`,
  },

  sessionLimit: {
    title: 'Tiene demasiadas sesiones abiertas',
    most: (most: number) =>
      plural(most, {
        one: 'Puede tener sesión en # dispositivo a la vez. Ciérrela allí para iniciar sesión aquí.',
        other: 'Puede tener sesión en # dispositivos a la vez. Ciérrela en alguno para iniciar sesión aquí.',
      }),
    choose: (count: number) => plural(count, { one: '¿Qué sesión termina?', other: 'Elija # sesiones que terminan' }),
    lastUsed: (lastUsed: string) => `Último uso: ${lastUsed}`,
    end: 'Cerrar allí e iniciar sesión aquí',
    back: 'No iniciar sesión',
  },

  sessions: {
    title: 'Dónde tiene sesiones abiertas',
    thisDevice: 'Este dispositivo',
    since: 'Desde',
    lastUsed: 'Último uso',
    endsBy: 'Termina como tarde',
    signOutOf: (device: string, lastUsed: string) => `Cerrar la sesión de ${device}, último uso ${lastUsed}`,
    signedOut: (device: string) => `Sesión cerrada: ${device}`,
    tenant: 'Administrar los usuarios de su organización',
    lostDevice: '¿Ha perdido un dispositivo o duda de alguno?',
    everywhereTitle: '¿Cerrar sesión en todas partes?',
    everywhereHint: '«Cerrar sesión en todas partes» termina todas las sesiones de arriba, también esta, en todas las aplicaciones a la vez.',
    everywhere: 'Cerrar sesión en todas partes',
    endsSoonTitle: 'Su sesión se cerrará pronto',
    endsSoon: (at: Child) => <>Esta sesión termina el {at}. Guarde antes su trabajo en todas las aplicaciones.</>,
    forgedTitle: 'Inténtelo de nuevo',
    forged: 'No se cambió nada: la solicitud no venía de una página mostrada en este navegador.',
    notSaved: { title: 'Su sesión sigue abierta', what: 'No se pudo guardar el cierre de sesión. No se cambió nada.' },
  },

  grants: {
    title: 'Aplicaciones y consentimientos',
    intro: 'Estas aplicaciones usan su inicio de sesión aquí. También ve a qué dio su consentimiento.',
    none: 'Ninguna aplicación usa ahora su inicio de sesión.',
    devices: (devices: number) => plural(devices, { one: 'Sesión iniciada en # dispositivo', other: 'Sesión iniciada en # dispositivos' }),
    notSignedIn: 'Sin sesión iniciada ahora',
    agreed: 'Aceptado el',
    may: 'Puede',
    end: 'Terminar el acceso',
    endOf: (app: string) => `Terminar el acceso: ${app}`,
    ended: (app: string) => `Acceso terminado: ${app}`,
    endedHint: 'Su sesión sigue iniciada aquí, por lo que la aplicación la inicia de nuevo cuando la abre.',
    notSaved: { title: 'No se cambió nada', what: 'No se pudo guardar el fin del acceso.' },
  },

  history: {
    title: 'Historial de seguridad',
    intro: `Inicios de sesión en ${product} con su cuenta, inicios rechazados y dónde terminó una sesión. Primero los más recientes.`,
    none: 'No hay entradas.',
    pages: 'Páginas',
    newest: 'Entradas más recientes',
    older: 'Entradas anteriores',
    kind: {
      signed_in: 'Sesión iniciada',
      renewed: 'Sesión iniciada de nuevo',
      sign_in_rejected: 'Inicio de sesión rechazado',
      ended: 'Sesión cerrada',
      reported: 'Usted avisó: no fui yo',
    },
    grantEnded: 'Sesión cerrada en una aplicación',
    when: 'Cuándo',
    why: 'Por qué',
    by: 'Por',
    device: 'Dispositivo',
    app: 'Aplicación',
    address: 'Dirección IP',
    addressesTitle: 'Las direcciones IP están ocultas',
    addresses: 'Se muestran durante cinco minutos después de que escriba su contraseña.',
    proveFirst: 'Escribir su contraseña ahora',
    ended: {
      signed_out: 'Sesión cerrada',
      ended_elsewhere: 'Cerrada desde otro lugar',
      administrator: 'Cerrada por un administrador',
      account: 'Su cuenta de Microsoft o su acceso cambió',
      expired: 'La sesión caducó',
    },
    rejected: {
      mfa_not_proved: 'La verificación en dos pasos no se completó',
      freshness_not_proved: 'No se confirmó un nuevo inicio de sesión',
      not_assigned_here: 'La cuenta no tiene acceso a esta aplicación',
      other_user: 'La aplicación esperaba a otro usuario',
      tenant_not_connected: 'La organización no está conectada',
      user_locked: 'Su acceso estaba bloqueado',
      tenant_locked: 'El acceso de su organización estaba bloqueado',
      client_locked: 'La aplicación estaba bloqueada',
    },
    rejectedOther: `${product} no aceptó el inicio de sesión`,
    actor: {
      user: 'Usted',
      otherUser: 'Otro usuario del mismo navegador',
      client: 'La aplicación',
      microsoft: 'Usted, en Microsoft',
    },
  },

  report: {
    notMe: 'No fui yo',
    notMeOf: (what: string, when: string) => `No fui yo: ${what}, ${when}`,
    title: '¿No fue usted?',
    ends: 'Si confirma, esta sesión termina al instante, en todas las aplicaciones.',
    nothingLeft: 'Esta sesión ya no está abierta. Si confirma, se cierra su sesión aquí, y cada nuevo inicio de sesión necesita su contraseña.',
    tells: 'Avisamos a sus administradores. Después, cada nuevo inicio de sesión necesita su contraseña, en cada dispositivo.',
    endsHere: 'No ha escrito su contraseña en los últimos cinco minutos. Por eso se cierra su sesión aquí también.',
    more: 'Además:',
    everywhere: 'Cerrar sesión en todas partes, también en este dispositivo',
    microsoft: 'Cerrar la sesión de Microsoft 365 en cada dispositivo',
    microsoftHint: 'Outlook, Teams y las demás aplicaciones de Microsoft terminan también.',
    confirm: 'Confirmar: no fui yo',
    cancel: 'Cancelar',
    doneTitle: 'Gracias. Hemos avisado a sus administradores.',
    done: 'Lo que ha señalado está cerrado. Si no sabe cómo ocurrió, haga ahora lo siguiente:',
    password: (link: Child) => <>Cambie su contraseña: {link}.</>,
    methods: (link: Child) => <>Revise sus métodos de inicio de sesión y quite los que no sean suyos: {link}.</>,
    administrator: 'Diga a su administrador cuándo ocurrió y qué notó.',
    notSaved: { title: 'No se cambió nada', what: 'No se pudo guardar su aviso.' },
  },

  ready: {
    title: 'Comprobar que su cuenta está lista',
    intro: `Inicie sesión una vez, y esta página muestra si puede usar ${product}. Responde a tres preguntas:`,
    reach: '¿Puede acceder a su cuenta de Microsoft?',
    reachHint: 'Necesita su cuenta profesional y su contraseña. ¿La ha olvidado? Elija «¿No puede acceder a su cuenta?» en la página de Microsoft.',
    connected: `¿Está su cuenta conectada a ${product}?`,
    connectedHint: 'El administrador de su organización le da acceso. Si Microsoft dice «Se necesita la aprobación del administrador», dígaselo.',
    mfa: '¿Tiene configurada la verificación en dos pasos (aplicación de autenticación)?',
    mfaHint: (link: Child) => (
      <>Tenga su teléfono a mano. ¿Todavía no ha configurado nada? Hágalo primero en {link}, por ejemplo con Microsoft Authenticator.</>
    ),
    unavailableTitle: 'El inicio de sesión todavía no está disponible',
    unavailable: `Este ${product} no está conectado a Microsoft. Su administrador tiene que terminar primero la configuración.`,
    open: (app: string) => `Abrir ${app}`,
    isReady: `Puede usar ${product}.`,
    notReady: 'Queda una cosa por hacer.',
    confirmed: (ago: string) => `Microsoft confirmó que es usted, ${ago}.`,
    proved: 'Microsoft confirmó su verificación en dos pasos, ahora o hace poco.',
    required: `Su organización exige la verificación en dos pasos para ${product}, y Microsoft le dejó entrar.`,
    noApps: `Su organización todavía no tiene ningún ${product} aquí. Pregunte a su administrador qué dirección usar.`,
    closed: (names: string) =>
      `No está abierto para usted: ${names}. Si lo necesita, pida a su administrador que le asigne este rol de ${product} en Microsoft Entra:`,
  },
})
