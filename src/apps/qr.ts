import encodeQR from 'qr';

/** A text as QR code for a terminal, two modules a character; it is as dark on light as the terminal is light on dark. */
export function qrLines(text: string): readonly string[] {
  return encodeQR(text, 'ascii', { ecc: 'low' }).trimEnd().split('\n');
}
