import type { Command } from 'commander';
import { systemClock } from '../node/clock.ts';
import { readPassphrase } from '../node/passphrase.ts';
import { type BrokerFlags, brokerOptions, withBrokerFlags } from './broker-flags.ts';
import { printable } from './console.ts';
import type { Context } from './context.ts';
import { countEvent } from './event-exit.ts';
import { eventSentence } from './event-sentence.ts';
import type { JoinOptions, SealwireBus } from './open-bus.ts';
import { openPeer, type SealwirePeer } from './open-peer.ts';
import { notEmpty } from './program.ts';
import { Seldom } from './seldom.ts';

/** What every command of a peer at a broker may be told. */
export interface BusFlags extends BrokerFlags {
  readonly notary?: string;
  readonly passphraseFile?: string;
}

/** Adds the options of {@link BusFlags}. */
export function withBusFlags(command: Command): Command {
  return withBrokerFlags(command)
    .option('--notary <name>', 'log with the notary at the same broker, by the name it is trusted under', notEmpty)
    .option('--passphrase-file <file>', 'a file whose first line opens the private key', notEmpty);
}

/**
 * Opens this home's peer, whose events are told on standard error. A `reader` does not hear whoever shows a new key in
 * a trusted name, so its exit code tells of them; one that writes fails where that concerns it.
 */
export async function openAsCommand(
  context: Context,
  { passphraseFile }: BusFlags,
  role: 'reader' | 'writer' = 'writer',
): Promise<SealwirePeer> {
  const passphrase = passphraseFile === undefined ? undefined : await readPassphrase(passphraseFile);
  const seldom = new Seldom(
    () => systemClock.elapsed(),
    (sentence) => context.console.note(printable(sentence)),
  );
  return openPeer({
    home: context.home,
    ...(passphrase === undefined ? {} : { passphrase }),
    onEvent: (event) => {
      countEvent(event, role);
      // Brokers double what they carry, and some do so for each of two filters: that is no news.
      const isCopy = event.type === 'refused' && event.error.code === 'replayed';
      const sentence = isCopy ? undefined : eventSentence(event);
      // Anybody at the broker can have something refused, as often as it likes and under any name.
      if (sentence && 'error' in event) seldom.say(sentence, `${event.type} ${event.error.code}`);
      else if (sentence) context.console.note(printable(sentence));
    },
  });
}

/** Joins the broker that the flags name. */
export async function joinAsCommand(
  peer: SealwirePeer,
  flags: BusFlags,
  more: Pick<JoinOptions, 'filters' | 'keepSessionS' | 'clientId'> = {},
): Promise<SealwireBus> {
  const options = await brokerOptions(flags);
  return peer.join(flags.broker, {
    ...options,
    ...more,
    ...(flags.notary === undefined ? {} : { notary: flags.notary }),
  });
}
