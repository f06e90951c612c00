import { type Command, Option } from 'commander';
import { BATCH_MAX, ROTATE_AFTER_FRAMES_MAX } from '../../core/limits.ts';
import type { Confirmers } from '../../core/roster/roster.ts';
import type { ChannelChange } from '../../core/roster/roster-edit.ts';
import { duration } from '../duration.ts';
import { wholeNumber } from '../program.ts';

/** What `roster channel` may be told; what is left out stays. */
export interface ChannelFlags {
  readonly topic?: string[];
  readonly writer?: string[];
  readonly reader?: string[];
  readonly eraser?: string[];
  readonly confirm?: string[];
  readonly rotateAfter?: number;
  readonly rotateFrames?: number;
  readonly history?: boolean;
  readonly batchMax?: number;
  readonly padding?: number;
  readonly evidence?: 'none' | 'keep';
  readonly remove?: boolean;
}

/** Adds the options of {@link ChannelFlags}. */
export function withChannelFlags(command: Command): Command {
  return command
    .option('--topic <filters...>', 'its topics, for example plant/+/temperature or plant/#')
    .option('--writer <names...>', 'the members who may write')
    .option('--reader <names...>', 'the members who may read')
    .option('--confirm <names...>', 'whose receipts make a message delivered: none, any, all, or names of readers')
    .option('--rotate-after <time>', 'new keys after so long, 24h at most', duration)
    .option('--rotate-frames <count>', 'new keys after so many frames', wholeNumber(1, ROTATE_AFTER_FRAMES_MAX))
    .option('--history', 'readers that come later may open what was written under the keys in use')
    .option('--no-history', 'readers open what is written from when they came')
    .option('--batch-max <messages>', 'messages in one frame at most', wholeNumber(1, BATCH_MAX))
    .option('--padding <bytes>', 'pad what is sealed to a multiple of so many bytes', wholeNumber(0, 65_536))
    .addOption(
      new Option('--evidence <what>', 'whether readers keep the key of each message').choices(['none', 'keep']),
    )
    .option('--eraser <names...>', 'the members who may erase labels from the ledger')
    .option('--remove', 'remove the channel');
}

/** What the flags change. */
export function channelChange(flags: ChannelFlags): ChannelChange {
  const { topic, writer, reader, eraser, confirm, rotateAfter, rotateFrames, history, batchMax, padding, evidence } =
    flags;
  return {
    ...(topic && { filters: topic }),
    ...(writer && { writers: writer }),
    ...(reader && { readers: reader }),
    ...(eraser && { erasers: eraser }),
    ...(confirm && { confirmers: confirmersOf(confirm) }),
    ...(rotateAfter !== undefined && { rotateAfterMs: rotateAfter }),
    ...(rotateFrames !== undefined && { rotateAfterFrames: rotateFrames }),
    ...(history !== undefined && { history }),
    ...(batchMax !== undefined && { batchMax }),
    ...(padding !== undefined && { paddingBytes: padding }),
    ...(evidence !== undefined && { evidence }),
    // What evidence opens is one message, not those that shared a frame with it.
    ...(evidence === 'keep' && batchMax === undefined && { batchMax: 1 }),
  };
}

function confirmersOf(words: readonly string[]): Confirmers {
  const [word] = words;
  return words.length === 1 && (word === 'none' || word === 'any' || word === 'all') ? word : words;
}
