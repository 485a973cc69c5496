/** A case in the sample's list. */
export interface Case {
  number: string
  title: string
  status: 'New' | 'In progress' | 'Waiting' | 'Closed'
  updated: string
}

const SYDNEY: Case[] = [
  {
    number: 'SYD-1042',
    title: 'Housing application, second review',
    status: 'In progress',
    updated: 'today',
  },
  {
    number: 'SYD-1039',
    title: 'Interpreter for the hearing on Thursday',
    status: 'New',
    updated: 'today',
  },
  {
    number: 'SYD-1031',
    title: 'Transfer of records to the regional office',
    status: 'Waiting',
    updated: 'yesterday',
  },
  {
    number: 'SYD-0998',
    title: 'Appeal, documents received',
    status: 'In progress',
    updated: '3 days ago',
  },
  { number: 'SYD-0954', title: 'Address change', status: 'Closed', updated: 'last week' },
]

const OTHERS: Case[] = [
  { number: 'MEL-2207', title: 'Benefit review after the move', status: 'New', updated: 'today' },
  {
    number: 'MEL-2199',
    title: 'Guardianship, report from the court',
    status: 'Waiting',
    updated: 'yesterday',
  },
  {
    number: 'MEL-2170',
    title: 'Home visit, notes to be signed',
    status: 'In progress',
    updated: '2 days ago',
  },
  { number: 'MEL-2121', title: 'Complaint, answer sent', status: 'Closed', updated: 'last week' },
]

/** Returns the case that opens only for a user who has proved themselves by a passkey. */
export const sealedCaseOf = (instance: string): Case => ({
  number: instance.includes('Sydney') ? 'SYD-1044' : 'MEL-2211',
  title: 'Protection of a witness',
  status: 'In progress',
  updated: 'today',
})

export const casesOf = (instance: string): Case[] => (instance.includes('Sydney') ? SYDNEY : OTHERS)
