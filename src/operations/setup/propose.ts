import { proposedProofSetting } from '../../microsoft/tenants.ts'
import { goOn, recorded, type SetupRequest } from './frame.tsx'
import type { Seen } from './seen.ts'

/** The proof of another tenant, as operators propose it. It changes nothing about who signs in until an administrator of that tenant asserts it. */
export async function proposeProof(request: SetupRequest, { row, proposedProof }: Seen, proof: string): Promise<Response> {
  const details = { proof, before: proposedProof ?? row.mfaProof }
  await recorded(request, { act: 'proof.propose', target: `tenant ${row.tid}`, details }, () =>
    request.deps.store.setSetting(proposedProofSetting(row.tid), proof),
  )
  return goOn(request.c, `/setup/tenants/${row.tid}?said=proposed`)
}
