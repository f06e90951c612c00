import { printable } from './console.ts';
import type { Context } from './context.ts';
import type { IdentityView } from './identity.ts';

/** Prints an identity for people. */
export async function printIdentity(view: IdentityView, { console }: Context): Promise<void> {
  const { certificate } = view;
  const by = certificate.selfSigned ? 'self-signed' : `issued by ${printable(certificate.issuer ?? 'an authority')}`;
  const status =
    certificate.status === 'valid' ? '' : `, ${console.paint('bad', certificate.status.replaceAll('-', ' '))}`;
  const dates = `${certificate.notBefore.slice(0, 10)} to ${certificate.notAfter.slice(0, 10)}`;
  await console.line(`name         ${console.paint('name', view.name)}${certificate.ca ? ', an authority' : ''}`);
  await console.line(`id           ${console.paint('strong', view.id)}`);
  await console.line(`certificate  ${by}, valid ${dates}${status}`);
  await console.line(`file         ${printable(view.certificateFile)}`);
  await console.line(`key          ${view.passphrase ? 'protected by a passphrase' : 'not protected by a passphrase'}`);
}
