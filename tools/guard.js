// Plain old JavaScript on purpose: it must parse on the very versions that it turns away.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `sealwire: this needs Node.js 24 or newer, but it is running on ${process.version}; ` +
      'on Linux x64 `npm ci` brings it along, elsewhere install Node.js 24 first.\n',
  );
  process.exit(69);
}
