import { decodeAnswer, type EnrolmentAnswer } from '../../core/enrolment/answer.ts';
import { type Asker, answerTopic, requestTopic } from '../../core/enrolment/enrolment-topic.ts';
import { encodeRenewalRequest, encodeTokenRequest } from '../../core/enrolment/request.ts';
import { type EnrolmentToken, tokenKeys } from '../../core/enrolment/token.ts';
import { SealwireError } from '../../core/errors.ts';
import { identityId } from '../../core/identity/id.ts';
import { checkClock } from '../../core/identity/path.ts';
import { draftSigningRequest } from '../../core/identity/signing-request.ts';
import type { BrokerConnection } from '../../core/ports.ts';
import { ask } from './asking.ts';
import { checkEnrolled, type DeviceOptions, type Membership } from './enrolled.ts';

/** What asking through a broker takes. */
export interface AskingOptions extends DeviceOptions {
  readonly broker: BrokerConnection;
  /** How long an answer is waited for. */
  readonly waitMs: number;
  /** Resolves where nobody waits any more; then it rejects with `session-closed`. */
  readonly stopped?: Promise<void>;
}

/**
 * Enrols a device: sends a certification request for its key with an HMAC under the token's secret, and takes what the
 * authority answers. Asked again with the same key it gets the same certificate. Rejects with `clock-unset` before
 * anything is sent, `timeout`, `token-invalid`, `enrolment-refused`, and as `checkEnrolled` does.
 */
export async function enrol(token: EnrolmentToken, options: AskingOptions): Promise<Membership> {
  const { crypto, clock } = options;
  checkClock(clock.now());
  const { tokenId, requestKey, answerKey } = tokenKeys(crypto, token);
  const signingRequest = await signedRequest(options);
  return askFor(options, {
    authorityId: token.authorityId,
    asker: { type: 'token', tokenId },
    payload: encodeTokenRequest(crypto, requestKey, signingRequest),
    // Whoever else writes there does not have the secret: that is noise, not an answer.
    read: (data) => decodeAnswer(crypto, answerKey, signingRequest, data),
    isVouchedFor: true,
  });
}

/**
 * Another certificate for a key that has one, from the authority with that id. The request is signed by that key, and
 * what comes back by the authority; nobody vouches for a refusal, so that is passed over. Rejects with `clock-unset`,
 * `timeout`.
 */
export async function renew(authorityId: Uint8Array, options: AskingOptions): Promise<Membership> {
  const { crypto, clock, signer } = options;
  checkClock(clock.now());
  const signingRequest = await signedRequest(options);
  return askFor(options, {
    authorityId,
    asker: { type: 'device', deviceId: identityId(crypto, signer.publicKey) },
    payload: encodeRenewalRequest(signingRequest),
    read: (data) => decodeAnswer(crypto, null, signingRequest, data),
    isVouchedFor: false,
  });
}

interface Errand {
  readonly authorityId: Uint8Array;
  readonly asker: Asker;
  readonly payload: Uint8Array;
  readonly read: (data: Uint8Array) => EnrolmentAnswer;
  /** Whether an answer that could be read is the authority's beyond doubt. */
  readonly isVouchedFor: boolean;
}

async function askFor(options: AskingOptions, errand: Errand): Promise<Membership> {
  const { broker, clock, waitMs, stopped } = options;
  const { authorityId, asker, payload, read, isVouchedFor } = errand;
  return ask({
    broker,
    clock,
    waitMs,
    ...(stopped ? { stopped } : {}),
    topic: requestTopic(authorityId, asker),
    answerTopic: answerTopic(authorityId, asker),
    payload,
    read: async (data) => {
      const answer = readOrPass(data, read);
      if (!answer) return undefined;
      try {
        if (answer.type === 'refused') throw refused(answer);
        return await checkEnrolled(answer, authorityId, options);
      } catch (error) {
        if (isVouchedFor) throw error;
        return undefined;
      }
    },
  });
}

function readOrPass(data: Uint8Array, read: (data: Uint8Array) => EnrolmentAnswer): EnrolmentAnswer | undefined {
  try {
    return read(data);
  } catch {
    return undefined;
  }
}

function refused({ code, reason }: { readonly code: SealwireError['code']; readonly reason: string }): SealwireError {
  return new SealwireError(code, `The authority does not enrol this device: ${reason}`, {
    hint: 'Ask whoever runs the authority for a new token: `sealwire token NAME` there.',
  });
}

async function signedRequest({ name, signer }: DeviceOptions): Promise<Uint8Array> {
  const draft = draftSigningRequest(name, signer.publicKey);
  return draft.finish(await signer.sign(draft.toBeSigned));
}
