import { setTimeout as wait } from 'node:timers/promises';
import { SealwireError } from '../../core/errors.ts';
import { formatId } from '../../core/identity/id.ts';
import type { Session } from '../../roles/session.ts';
import { type Counts, encodeJson, JSON_TYPE, receiveJson } from './conversation.ts';
import type { Narrator } from './narrator.ts';
import { describeReading, MachineReadings, type Reading } from './readings.ts';
import type { Refusals } from './refusals.ts';
import type { Stage } from './stage.ts';
import type { StoryPace } from './story-pace.ts';
import { Wire } from './wire.ts';

/** What the socket scene is played with. */
export interface SocketScene {
  readonly stage: Stage;
  readonly narrator: Narrator;
  readonly refusals: Refusals;
  readonly counts: Counts;
  readonly pace: StoryPace;
}

/** A session over a socket, whose second message somebody in the middle alters; it is refused, and sent again. */
export async function playSocketScene({ stage, narrator, refusals, counts, pace }: SocketScene): Promise<void> {
  await using listening = await stage.operator.peer.listen('tcp://127.0.0.1:0');
  await using wire = await Wire.start(listening.address);
  narrator.scene(`Beside it, a session over a socket, through a machine in the middle (${wire.address}):`);
  const answered = listening[Symbol.asyncIterator]().next();
  const session = await stage.sensor.peer.dial(wire.address, { expect: 'operator' });
  const { value: far } = await answered;
  if (!far) throw new SealwireError('internal', 'The operator got no session.');
  tellHandshake(narrator, wire, session);
  const hearing = hear(far, narrator, counts);
  const readings = new MachineReadings();
  await readings.next();
  const send = async (): Promise<void> => {
    await wait(pace.fasterMs, undefined, { signal: pace.abandon }).catch(() => {});
    await session.send(encodeJson(await readings.next()), { contentType: JSON_TYPE });
    counts.sealed += 1;
  };
  await send();
  narrator.say('The machine in the middle flips one bit of the next message.');
  wire.flipNext();
  const refused = refusals.next();
  await send();
  await Promise.race([refused, session.over]);
  await send();
  // Closing waits until all of it is confirmed, what was lost and sent again as well.
  await session.close();
  await hearing;
}

function tellHandshake(narrator: Narrator, { handshakeBytes }: Wire, { peer }: Session): void {
  narrator.say(`Handshake: EDHOC (RFC 9528), ${handshakeBytes.length} messages of ${handshakeBytes.join(', ')} bytes.`);
  narrator.say(`Both have proven who they are; the sensor talks to ${peer.name}, ${formatId(peer.id)}.`);
  narrator.say('The keys they agreed on by ECDH last for this session only.');
}

async function hear(session: Session, narrator: Narrator, counts: Counts): Promise<void> {
  for await (const reading of receiveJson<Reading>(session, counts)) {
    narrator.heard('operator', describeReading(reading));
  }
}
