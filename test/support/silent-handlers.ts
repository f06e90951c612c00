import type { IncomingHandlers } from '../../src/roles/incoming.ts';

/** For the receiving half of a session alone: nothing is done with what is no message. */
export const SILENT: IncomingHandlers = {
  onDeliveryReceipt: () => {},
  onControl: () => {},
  onNotTaken: () => {},
  onTaken: () => {},
  onReplayed: () => {},
  onEnd: () => {},
};
