// Prints how many bytes a first look at the console loads, compressed, and fails if they are too many.
//
// usage: size.mjs FOLDER MOST

import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const [folder, most] = process.argv.slice(2);
const sizes = readdirSync(folder).map((name) => gzipSync(readFileSync(`${folder}/${name}`)).length);
const all = sizes.reduce((sum, size) => sum + size, 0);
console.log(all);
if (all > Number(most)) {
  console.error(`a first look at the console loads ${all} bytes, more than ${most}`);
  process.exit(1);
}
