/** The library's public door. */
export { type ErrorCode, type ErrorDetails, isSealwireError, SealwireError } from '../core/errors.ts';
export { formatId } from '../core/identity/id.ts';
export type { ValidIdentity } from '../core/identity/path.ts';
export type { LoggedLabel } from '../core/ledger/submission.ts';
export type { Channel, Confirmers } from '../core/roster/roster.ts';
export type { ChannelChange } from '../core/roster/roster-edit.ts';
export { type BrokerOptions, startBroker } from '../node/broker.ts';
export type { RunningBroker } from '../node/running-broker.ts';
export type { BusMessage } from '../roles/bus/bus.ts';
export type { ReceivedMessage } from '../roles/incoming.ts';
export type { Listening } from '../roles/listening.ts';
export type { SendUntil, Sent, StoredUntil } from '../roles/send-queue.ts';
export type { SendOptions, Session } from '../roles/session.ts';
export type { SessionTuning } from '../roles/session-context.ts';
export type { SessionEvent } from '../roles/session-events.ts';
export { createIdentity } from './create-identity.ts';
export type { JoinOptions, PublishOptions, SealwireBus } from './open-bus.ts';
export { type NotaryAddress, type OpenPeerOptions, openPeer, type PeerEvent, type SealwirePeer } from './open-peer.ts';
export {
  type AuthorityOptions,
  createRoster,
  openRosterAuthority,
  type RosterAuthority,
  type RosterChanges,
  type TakeRosterOptions,
  takeRoster,
} from './roster/roster-authority.ts';
export { type NotaryAtWork, type StartNotaryOptions, startNotary } from './start-notary.ts';
