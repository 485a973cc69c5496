/** Upper bound of the failed requests to Microsoft Graph in one answer or page. */
export const MOST_SHOWN = 100
