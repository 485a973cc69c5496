import { plural } from '../format.ts'

/** The words of the page of sign-ins. */
export const SIGN_INS = {
  list: 'Rejected sign-ins',
  since: (isOfUser: boolean): string => `Sign-ins ${isOfUser ? 'of this user ' : ''}since`,
  accepted: (number: number): string => `Accepted: ${plural(number, 'sign-in')}.`,
  rejected: (number: number): string => `Rejected: ${plural(number, 'sign-in')}.`,
  own: 'Account pages',
  notIdentified: 'not identified by Microsoft',
  read: 'What the user read',
  toDo: 'What to do',
  none: 'No rejected sign-in matches.',
  atMicrosoft:
    'Sign-ins that Microsoft stopped are not in this list. They are in the sign-in log of Microsoft Entra: Entra admin center, Monitoring & health, Sign-in logs; filter by the application and the status Failure.',
  theirLog: 'Open the sign-in log of Microsoft Entra',
} as const
