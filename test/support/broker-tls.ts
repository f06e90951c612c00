import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { BrokerTlsFiles } from '../../src/node/broker-tls.ts';
import { issueCertificate, selfSign, writeCertificates } from '../../src/node/certificates.ts';
import { nodeSigner } from '../../src/node/crypto.ts';
import { generateKey, writePrivateKey } from '../../src/node/key-files.ts';
import { temporaryDirectory } from './directory.ts';

/** A certificate and its key, PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority for one test, and what a broker at `localhost` needs of it. */
export interface TestTls {
  /** The authority's certificate, PEM: whom clients believe. */
  readonly ca: string;
  readonly caFile: string;
  /** The broker's own certificate and key; `clientsFile` is the authority, and may be left out. */
  readonly files: Required<BrokerTlsFiles>;
  /** A certificate of that authority for a client. */
  issue(name: string): Promise<TestCertificate>;
}

/** Makes an authority and a certificate for `localhost`, in files that are gone after the test. */
export async function testTls(context: TestContext): Promise<TestTls> {
  const directory = await temporaryDirectory(context);
  const authorityKey = generateKey();
  const nowMs = Date.now();
  const authority = await selfSign(authorityKey, { name: 'test authority', nowMs, ca: true });
  const issuer = { chain: [authority], signer: nodeSigner(authorityKey) };
  const issue = async (name: string): Promise<TestCertificate> => {
    const key = generateKey();
    const chain = await issueCertificate(issuer, nodeSigner(key).publicKey, { name, nowMs });
    return { cert: writeCertificates(chain.map(({ der }) => der)), key: writePrivateKey(key) };
  };
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  };
  const broker = await issue('localhost');
  const ca = writeCertificates([authority.der]);
  const caFile = await file('ca.crt', ca);
  const files = {
    certificateFile: await file('broker.crt', broker.cert),
    keyFile: await file('broker.key', broker.key),
    clientsFile: caFile,
  };
  return { ca, caFile, files, issue };
}
