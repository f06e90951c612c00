import { utf8ToBytes } from '../../src/core/bytes.ts';
import type { ReceivedMessage } from '../../src/roles/incoming.ts';
import type { SendUntil, Sent } from '../../src/roles/send-queue.ts';
import type { Session } from '../../src/roles/session.ts';

/** Sends a text. */
export function say(session: Session, text: string, until: SendUntil = 'sent'): Promise<Sent> {
  return session.send(utf8ToBytes(text), { until });
}

/** Sends texts one after the other, each once the one before has left, so that each has a frame of its own. */
export async function sayAll(session: Session, texts: readonly string[]): Promise<void> {
  for (const text of texts) await say(session, text);
}

/** A payload as text. */
export function textOf({ payload }: ReceivedMessage): string {
  return new TextDecoder().decode(payload);
}

/** The next `count` texts; throws where the session ends before. */
export async function hear(session: Session, count: number): Promise<string[]> {
  const texts: string[] = [];
  const messages = session[Symbol.asyncIterator]();
  while (texts.length < count) {
    const { value } = await messages.next();
    if (!value) throw new Error(`the session ended after ${texts.length} of ${count} messages`);
    texts.push(textOf(value));
  }
  return texts;
}

/** Every text that is still to come, up to the peer's signed end; throws where there is none. */
export async function hearAll(session: Session): Promise<string[]> {
  const texts: string[] = [];
  for await (const message of session) texts.push(textOf(message));
  return texts;
}

/** `prefix 0` to `prefix count-1`. */
export function numbered(count: number, prefix = 'message'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix} ${i}`);
}
