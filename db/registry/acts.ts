import type { Engine } from '../engine/act.ts'
import type { ClientActs, Housekeeping, KeyActs, RevocationActs, TenantActs } from '../store.ts'
import { applyingAge } from './authentication-age.ts'
import { listTargets } from './client-targets.ts'
import { addClientSecret, findClient, listClients, putClient, removeClient, removeClientSecret } from './clients.ts'
import { activateKey, addKey, listKeys, retireKey } from './keys.ts'
import { probe, resealSetting, setSetting, setSettingOnce, setting } from './settings.ts'
import { tenantActs } from './tenants.ts'

type SettingActs = Pick<Housekeeping, 'setting' | 'setSetting' | 'setSettingOnce' | 'resealSetting' | 'probe'>

/** Clients with their secrets and logout addresses, tenants, signing keys, settings, and the limits that they set to sessions. */
export function registryActs(engine: Engine): ClientActs & TenantActs & KeyActs & SettingActs & Pick<RevocationActs, 'applyAuthenticationAge'> {
  const { read, write } = engine
  return {
    ...tenantActs(engine),
    findClient: (clientId) => read(() => findClient(clientId)),
    listClients: () => read(listClients),
    listTargets: () => read(listTargets),
    putClient: (input) => write(() => putClient(input)),
    addClientSecret: (input) => write(() => addClientSecret(input)),
    removeClientSecret: (input) => write(() => removeClientSecret(input)),
    removeClient: (input) => write(() => removeClient(input)),
    listKeys: () => read(listKeys),
    addKey: (key) => write(() => addKey(key)),
    activateKey: (input) => write(() => activateKey(input)),
    retireKey: (input) => write(() => retireKey(input)),
    setting: (name) => read(() => setting(name)),
    setSetting: (name, value) => write(() => setSetting(name, value)),
    setSettingOnce: (name, value) => write(() => setSettingOnce(name, value)),
    resealSetting: (input) => write(() => resealSetting(input)),
    probe: () => write(() => probe()),
    applyAuthenticationAge: applyingAge(engine),
  }
}
