import { utf8ToBytes } from './bytes.ts';
import { SealwireError } from './errors.ts';

/** A topic or filter in UTF-8, so that its percent-encoded form fits a label. */
const TOPIC_BYTES_MAX = 256;
/** Everything below it belongs to Sealwire itself. */
const OWN_ROOT = 'sealwire/';

/** An id in base64url: in a label it means a recipient. */
const ID_FORM = /^[\w-]{43}$/;

/** Topics that were looked at and found good: each comes often, and looking costs as much as opening a small frame. */
const known = new Set<string>();
const KNOWN_MAX = 256;

/** True for what {@link checkTopic} takes. */
export function isTopic(topic: string): boolean {
  try {
    checkTopic(topic);
    return true;
  } catch {
    return false;
  }
}

/** An application topic as it is; throws `topic-invalid` for one that MQTT (5.0, section 4.7) or a label does not take. */
export function checkTopic(topic: string): string {
  if (known.has(topic)) return topic;
  if (`${topic}/`.startsWith(OWN_ROOT)) throw invalid(topic, 'what begins with sealwire/ is for control messages');
  if (ID_FORM.test(topic)) throw invalid(topic, 'it has the form of an id');
  checkPublishTopic(topic);
  if (known.size >= KNOWN_MAX) known.clear();
  known.add(topic);
  return topic;
}

/** As {@link checkTopic}, and our own inboxes may be published to as well. */
export function checkPublishTopic(topic: string): string {
  if (/[+#]/.test(topic)) throw invalid(topic, 'it has a wildcard, + or #, which only a filter may have');
  if (topic.startsWith('$')) throw invalid(topic, 'it begins with $, which is the broker’s own');
  return checkText(topic);
}

/** A topic filter as it is; throws `topic-invalid`. Wildcards stand alone in a level, `#` in the last (4.7.1). */
export function checkFilter(filter: string): string {
  const levels = filter.split('/');
  for (const [i, level] of levels.entries()) {
    const lonely = level === '+' || (level === '#' && i === levels.length - 1);
    if (!lonely && /[+#]/.test(level)) throw invalid(filter, 'a wildcard stands alone in its level, # in the last one');
  }
  return checkText(filter);
}

/** True where a publication on `topic` goes to a subscription of `filter` (MQTT 5.0, section 4.7). */
export function topicMatches(filter: string, topic: string): boolean {
  // 4.7.2: a wildcard in front does not reach topics that are the broker's own.
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const wildcard = filter.search(/[+#]/);
  if (wildcard === -1) return filter === topic;
  // Most do not match, and that shows before the first wildcard, whose slash `#` does without.
  if (!topic.startsWith(filter.slice(0, Math.max(0, wildcard - 1)))) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
}

function checkText(text: string): string {
  if (text === '') throw invalid(text, 'it is empty');
  if (/[\p{Cc}\p{Cs}]/u.test(text)) throw invalid(text, 'it holds control characters or half of a surrogate pair');
  const bytes = utf8ToBytes(text).length;
  if (bytes > TOPIC_BYTES_MAX) throw invalid(text, `it takes ${bytes} bytes, ${TOPIC_BYTES_MAX} at most`);
  return text;
}

function invalid(text: string, why: string): SealwireError {
  return new SealwireError('topic-invalid', `The topic ${JSON.stringify(text.slice(0, 80))} cannot be used: ${why}.`, {
    hint: 'A topic looks like plant/line1/temperature, a filter like plant/+/temperature or plant/#.',
  });
}
