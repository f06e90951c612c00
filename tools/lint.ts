import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const carried = fileURLToPath(new URL('../node_modules/@biomejs/cli-linux-x64/biome', import.meta.url));
const biome = existsSync(carried) ? carried : 'biome';
const run = spawnSync(biome, process.argv.slice(2), { stdio: 'inherit' });
if (run.error) {
  process.stderr.write('lint: no Biome found; `npm ci` brings it on Linux x64, elsewhere put Biome 2.6 on the PATH.\n');
}
process.exit(run.status ?? 69);
