import { DELIVERY } from '../../protocol/stream-event.ts'

/** The transmitter's metadata (SSF 1.0 §7.1, CAEP Interoperability Profile 1.0 §2.3). */
export const transmitterConfiguration = (issuer: string): Record<string, unknown> => ({
  spec_version: '1_0',
  issuer,
  jwks_uri: `${issuer}/jwks`,
  delivery_methods_supported: Object.values(DELIVERY),
  configuration_endpoint: `${issuer}/ssf/streams`,
  status_endpoint: `${issuer}/ssf/status`,
  add_subject_endpoint: `${issuer}/ssf/subjects/add`,
  remove_subject_endpoint: `${issuer}/ssf/subjects/remove`,
  verification_endpoint: `${issuer}/ssf/verification`,
  authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }],
  default_subjects: 'ALL',
})
