/** This package's version, as `package.json` has it (a test compares them): reports carry it. */
export const VERSION = '0.1.0'
