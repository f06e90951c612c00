import type { Meddle } from '../../src/apps/middle.ts';
import type { EphemeralKeyPair } from '../../src/core/crypto/port.ts';
import { credentialFromIdCred, credentialToIdCred } from '../../src/core/handshake/credential.ts';
import { NO_EAD } from '../../src/core/handshake/ead.ts';
import { seal } from '../../src/core/handshake/encrypt0.ts';
import { decodeEnvelope, encodeEnvelope } from '../../src/core/handshake/envelope.ts';
import { decodeErrorMessage } from '../../src/core/handshake/error-message.ts';
import { cipher2, extractPrk, nextTranscript, transcript2 } from '../../src/core/handshake/key-schedule.ts';
import { decodeMessage1, encodeMessage1 } from '../../src/core/handshake/message-1.ts';
import { decodeMessage2, decodePlaintext2, encodeMessage2 } from '../../src/core/handshake/message-2.ts';
import { encodeMessage3, encodePlaintext3 } from '../../src/core/handshake/message-3.ts';
import { initiatorToBeSigned } from '../../src/core/handshake/proof.ts';
import { suite5 } from '../../src/core/handshake/suites.ts';
import type { Signer } from '../../src/core/ports.ts';
import { nodeCrypto } from '../../src/node/crypto.ts';
import type { OwnIdentity } from '../../src/roles/handshake-steps.ts';

const suite = suite5(nodeCrypto);

/** What the attacker keeps of one connection. */
interface Leg {
  readonly genuine1: Uint8Array;
  readonly forged1: Uint8Array;
  readonly publicX: Uint8Array;
  readonly own: EphemeralKeyPair;
  /** Keys with the Responder, once its message_2 was read. */
  responder?: ResponderLeg;
}

/** Whose certificates it presents. */
interface Victim {
  readonly identity: Pick<OwnIdentity, 'certificates'>;
}

/** What the attacker shares with the Responder. */
interface ResponderLeg {
  readonly prk: Uint8Array;
  /** TH_3. */
  readonly transcript: Uint8Array;
  /** C_R. */
  readonly connectionId: Uint8Array;
}

/**
 * A machine in the middle that swaps the ephemeral ECDH keys of both sides for its own, as a plain ECDH is lost to. It
 * computes what either side will compute, reads message_2, and writes it anew for the Initiator under the other key.
 * What it cannot make anew are the signatures.
 */
export class KeySwapper {
  /** The certificates (DER) that it read out of the Responder's encrypted message_2. */
  readonly read: Uint8Array[] = [];
  /** Whom it poses as towards the Responder, and whose key it has for that; unless set it goes no further. */
  disguise: { readonly victim: Victim; readonly signer: Signer } | undefined;
  readonly #until: number;
  readonly #legs = new Map<number, Leg>();

  /** Leaves connections alone from number `until` on. */
  constructor(until: number) {
    this.#until = until;
  }

  readonly meddle: Meddle = async (unit, direction, connection) => {
    if (connection >= this.#until) return [unit];
    const { connectionId, message } = decodeEnvelope(unit);
    const leg = this.#legs.get(connection);
    if (direction === 'out' && !leg)
      return [encodeEnvelope({ connectionId, message: this.#swap1(message, connection) })];
    if (direction === 'back' && leg && !leg.responder && !decodeErrorMessage(message)) {
      return [encodeEnvelope({ connectionId, message: this.#swap2(message, leg) })];
    }
    // The Initiator gives up: the attacker goes on in its place.
    if (direction === 'out' && leg?.responder && this.disguise) {
      return [
        encodeEnvelope({
          connectionId: leg.responder.connectionId,
          message: await this.#forge3(leg.responder, this.disguise),
        }),
      ];
    }
    return [unit];
  };

  #swap1(genuine1: Uint8Array, connection: number): Uint8Array {
    const fields = decodeMessage1(genuine1);
    const own = suite.ecdh.generate();
    const forged1 = encodeMessage1({ ...fields, publicX: own.publicX });
    this.#legs.set(connection, { genuine1, forged1, publicX: fields.publicX, own });
    return forged1;
  }

  #swap2(message2: Uint8Array, leg: Leg): Uint8Array {
    const { publicY, ciphertext } = decodeMessage2(message2, suite);
    const theirs = transcript2(nodeCrypto, publicY, leg.forged1);
    const prk = extractPrk(nodeCrypto, theirs, suite.ecdh.agree(leg.own.privateKey, publicY));
    const plaintext = cipher2(nodeCrypto, prk, theirs, ciphertext);
    const { idCred, connectionId } = decodePlaintext2(plaintext, suite.signatureBytes);
    const credential = credentialFromIdCred(idCred);
    const [certificate = new Uint8Array()] = credential.type === 'x5chain' ? credential.certificates : [];
    this.read.push(certificate);
    leg.responder = { prk, transcript: nextTranscript(nodeCrypto, theirs, plaintext, certificate), connectionId };

    const swapped = suite.ecdh.generate();
    const ours = transcript2(nodeCrypto, swapped.publicX, leg.genuine1);
    const key = extractPrk(nodeCrypto, ours, suite.ecdh.agree(swapped.privateKey, leg.publicX));
    return encodeMessage2({ publicY: swapped.publicX, ciphertext: cipher2(nodeCrypto, key, ours, plaintext) });
  }

  async #forge3(leg: ResponderLeg, { victim, signer }: NonNullable<KeySwapper['disguise']>): Promise<Uint8Array> {
    const { prk, transcript } = leg;
    const { certificates } = victim.identity;
    const [certificate = new Uint8Array()] = certificates;
    const idCred = credentialToIdCred({ type: 'x5chain', certificates });
    const toBeSigned = initiatorToBeSigned(nodeCrypto, { prk, transcript, idCred, certificate, ead: NO_EAD });
    const plaintext = encodePlaintext3(idCred, await signer.sign(toBeSigned));
    return encodeMessage3(seal(nodeCrypto, suite, { prk, transcript, message: 3 }, plaintext));
  }
}
