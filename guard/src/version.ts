/** The version of this package, which reports contain. A test compares it with `package.json`. */
export const VERSION = '1.0.0-rc.2'
