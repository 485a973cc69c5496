import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1.js'
import type { ConfigMap, Pod, Service, ServiceAccount } from 'kubernetes-types/core/v1.js'
import type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1.js'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.js'
import { parseAllDocuments } from 'yaml'
import { expect } from 'vitest'
import { ROOT } from './markdown.ts'

/**
 * The resources of deploy/kubernetes, in the YAML 1.1 that kubectl reads: 0440 is
 * octal.
 */
type Resource =
  | ConfigMap
  | ServiceAccount
  | StatefulSet
  | Deployment
  | Pod
  | Service
  | Ingress
  | NetworkPolicy
  | PodDisruptionBudget
export const MANIFEST = ['broker', 'ingress', 'recover/recover']
  .map((name) => readFileSync(join(ROOT, `deploy/kubernetes/${name}.yaml`), 'utf8'))
  .join('---\n')
const resourcesOf = (manifest: string): Resource[] =>
  parseAllDocuments(manifest, { version: '1.1' }).map((document) => document.toJS() as Resource)
export const RESOURCES = resourcesOf(MANIFEST)
/** The pods of a recipe, which have no secret. */
export const INSTANCES = resourcesOf(
  readFileSync(join(ROOT, 'examples/service-to-service/pods.yaml'), 'utf8'),
)

export const resource = <K extends Resource['kind']>(kind: K): Extract<Resource, { kind?: K }> =>
  (RESOURCES.find((candidate) => candidate.kind === kind) ??
    expect.fail(`There is no ${kind}.`)) as Extract<Resource, { kind?: K }>

export const POD =
  resource('StatefulSet').spec?.template.spec ?? expect.fail('The StatefulSet has no pod.')
