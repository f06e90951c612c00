import type { Target } from './target.ts';
import { CHANNEL } from './targets/channel.ts';
import { CODECS } from './targets/codecs.ts';
import { ENROLMENT } from './targets/enrolment.ts';
import { FRAMES } from './targets/frames.ts';
import { HANDSHAKE } from './targets/handshake.ts';
import { IDENTITY } from './targets/identity.ts';
import { LEDGER } from './targets/ledger.ts';
import { WHOLE_LEDGERS } from './targets/ledger-whole.ts';
import { MQTT_LINE } from './targets/mqtt-line.ts';
import { ROSTERS } from './targets/rosters.ts';
import { TRANSPORT } from './targets/transport.ts';

/** All of them. */
export const TARGETS: readonly Target[] = [
  ...CODECS,
  ...FRAMES,
  ...CHANNEL,
  ...HANDSHAKE,
  ...IDENTITY,
  ...ROSTERS,
  ...LEDGER,
  ...WHOLE_LEDGERS,
  ...ENROLMENT,
  ...TRANSPORT,
  ...MQTT_LINE,
];
