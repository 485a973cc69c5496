import type { Engine } from '../engine/act.ts'
import type { ClientActs } from '../store.ts'
import { addClientSecret, findClient, listClients, putClient, removeClient, removeClientSecret } from './registration.ts'
import { listTargets } from './targets.ts'

/** Registrations, their secrets and their logout addresses. */
export function clientActs(engine: Engine): ClientActs {
  const { read, write } = engine
  return {
    findClient: (clientId) => read(() => findClient(clientId)),
    listClients: () => read(listClients),
    listTargets: () => read(listTargets),
    putClient: (input) => write(() => putClient(input)),
    addClientSecret: (input) => write(() => addClientSecret(input)),
    removeClientSecret: (input) => write(() => removeClientSecret(input)),
    removeClient: (input) => write(() => removeClient(engine, input)),
  }
}
