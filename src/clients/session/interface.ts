/** The interface of this module: the browser's cookie, the limits of a session, and who took part. */
export const SESSION_COOKIE = '__Host-cmb_session'
