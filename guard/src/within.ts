export const within = (value: number, from: number, to: number): boolean => Number.isFinite(value) && value >= from && value <= to
