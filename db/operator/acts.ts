import type { Engine } from '../engine/act.ts'
import type { Housekeeping, KeyActs, RegistryActs } from '../store.ts'
import { activateKey, addKey, listKeys, retireKey } from './keys.ts'
import { probe, setSetting, setSettingOnce, setting } from './settings.ts'
import { registryVersion } from './version.ts'

type SettingActs = Pick<Housekeeping, 'setting' | 'setSetting' | 'setSettingOnce' | 'probe'>

/** What operators and administrators keep: signing keys and settings. */
export function operatorActs({ read, write, nowMs }: Engine): RegistryActs & KeyActs & SettingActs {
  return {
    registryVersion: () => read(registryVersion),
    listKeys: () => read(listKeys),
    addKey: (key) => write(() => addKey(key)),
    activateKey: (input) => write(() => activateKey(input)),
    retireKey: (input) => write(() => retireKey(input)),
    setting: (name) => read(() => setting(name)),
    setSetting: (name, value) => write(() => setSetting(name, value)),
    setSettingOnce: (name, value) => write(() => setSettingOnce(name, value)),
    probe: () => write(() => probe(String(nowMs()))),
  }
}
