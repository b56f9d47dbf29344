// read-rgba: prints the clock (UTC, ms) of each frame of raw RGBA video on standard input, or `unreadable`.
//   node read-rgba.mjs WIDTH HEIGHT

import { readMark } from './clockmark.mjs';

const [width, height] = process.argv.slice(2).map(Number);
const size = 4 * width * height;
let rest = Buffer.alloc(0);

for await (const chunk of process.stdin) {
	rest = Buffer.concat([rest, chunk]);
	for (; rest.length >= size; rest = rest.subarray(size))
		console.log(readMark(rest, width, height) ?? 'unreadable');
}
