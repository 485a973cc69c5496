/** The Python that has what the example guard needs; undefined where it is not installed. */
export function findPython(): string | undefined
