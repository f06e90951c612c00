import type { DeliveryReceipt } from '../core/frame/receipt.ts';
import { KIND } from '../core/kinds.ts';
import type { Session } from './session.ts';

/** What peers tell each other in a session about channels and rosters; applications never see it. */
export type ControlKind =
  | typeof KIND.grant
  | typeof KIND.grantAck
  | typeof KIND.grantRequest
  | typeof KIND.cannotOpen
  | typeof KIND.roster;

const CONTROL_KINDS: ReadonlySet<number> = new Set<ControlKind>([
  KIND.grant,
  KIND.grantAck,
  KIND.grantRequest,
  KIND.cannotOpen,
  KIND.roster,
]);

/** True for the kinds that are for a {@link ControlHandler}. */
export function isControlKind(kind: number): kind is ControlKind {
  return CONTROL_KINDS.has(kind);
}

/** Takes what comes in sessions and is not for the application. Must not throw, and holds nobody up. */
export interface ControlHandler {
  /** In the order in which the peer sent it, among its messages. */
  onControl(session: Session, kind: ControlKind, payload: Uint8Array): void;
  /** The peer confirms frames that it did not get in this session. */
  onReceipt(session: Session, receipt: DeliveryReceipt): void;
}
