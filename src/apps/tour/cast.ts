import { mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addPin, EMPTY_TRUST } from '../../core/identity/trust.ts';
import { selfSign } from '../../node/certificates.ts';
import { createHome, loadIdentity, openHome, writeTrust } from '../../node/home.ts';
import { generateKey } from '../../node/key-files.ts';

/** Who plays in the tour. */
const ROLES = ['notary', 'sensor', 'operator'] as const;

/** One of {@link ROLES}. */
export type Role = (typeof ROLES)[number];

/** One identity of the tour. */
export interface Actor {
  readonly home: string;
  /** 32 bytes. */
  readonly id: Uint8Array;
}

/** Fresh identities in a folder of their own, which goes when the cast is disposed of. */
export interface Cast extends AsyncDisposable {
  readonly directory: string;
  readonly actors: Readonly<Record<Role, Actor>>;
}

/** Makes an identity for each role and lets everybody trust everybody by their ids, as people would on first meeting. */
export async function makeCast(nowMs: number): Promise<Cast> {
  const { directory, remove } = passingDirectory();
  try {
    const actors = {
      notary: await makeActor(directory, 'notary', nowMs),
      sensor: await makeActor(directory, 'sensor', nowMs),
      operator: await makeActor(directory, 'operator', nowMs),
    };
    for (const own of ROLES) await trustOthers(actors, own);
    return { directory, actors, [Symbol.asyncDispose]: remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A folder that does not outlive this process, however impatiently that is ended. */
function passingDirectory(): { readonly directory: string; readonly remove: () => Promise<void> } {
  const directory = mkdtempSync(join(tmpdir(), 'sealwire-tour-'));
  const removeNow = (): void => rmSync(directory, { recursive: true, force: true });
  process.once('exit', removeNow);
  const remove = async (): Promise<void> => {
    await rm(directory, { recursive: true, force: true });
    process.off('exit', removeNow);
  };
  return { directory, remove };
}

async function makeActor(directory: string, name: Role, nowMs: number): Promise<Actor> {
  const privateKey = generateKey();
  const certificate = await selfSign(privateKey, { name, nowMs });
  const home = await createHome(join(directory, name), { privateKey, chain: [certificate] });
  const { id } = await loadIdentity(home);
  return { home: home.directory, id };
}

async function trustOthers(actors: Readonly<Record<Role, Actor>>, own: Role): Promise<void> {
  let trust = EMPTY_TRUST;
  for (const other of ROLES) if (other !== own) trust = addPin(trust, { name: other, id: actors[other].id });
  await writeTrust(await openHome(actors[own].home), trust);
}
