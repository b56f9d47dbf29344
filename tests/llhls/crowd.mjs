// crowd: many light players of LL-HLS in one process, for caches. Each reloads the first rendition's playlist by blocking
// requests and gets each new part, like the others at the same time.
//
//   node crowd.mjs PLAYERS SECONDS http://HOST:PORT/NAME/RENDITION/index.m3u8
//
// Prints key=value: players, playing (those that got a part in the second half), requests, addresses (different ones),
// failed, and part_lag_p50_ms, part_lag_p95_ms: from the first player that had a part to each of the others. Exit status 0; 64.

import http from 'node:http';

const [players, seconds, url] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
if (!(players > 0) || !(seconds > 0) || !URL.canParse(url ?? '')) {
	console.error('usage: crowd.mjs PLAYERS SECONDS URL');
	process.exit(64);
}
const agent = new http.Agent({ keepAlive: true, maxSockets: Infinity });
const began = performance.now(), until = began + 1000 * seconds;
const addresses = new Set(), first = new Map(), lags = [];
let requests = 0, failed = 0, playing = 0;

function get(address) {
	requests++;
	addresses.add(address);
	return new Promise((ok) => {
		const request = http.get(address, { agent }, (answer) => {
			const pieces = [];

			answer.on('data', (b) => pieces.push(b));
			answer.on('end', () => ok({ status: answer.statusCode, text: () => Buffer.concat(pieces).toString() }));
			answer.on('error', () => ok({ status: 0 }));
		});
		request.on('error', () => ok({ status: 0 }));
	});
}

// The number of the next part that will be there, and the addresses of those that are, newest last.
function read(text) {
	const hint = text.match(/#EXT-X-PRELOAD-HINT:TYPE=PART,URI="((\d+)\.(\d+)\.m4s[^"]*)"/);
	const parts = [...text.matchAll(/#EXT-X-PART:[^\n]*URI="([^"]*)"/g)].map((m) => new URL(m[1], url).href);

	return hint && { msn: hint[2], part: hint[3], parts };
}

async function takePart(address) {
	const answer = await get(address), now = performance.now();

	if (answer.status !== 200) {
		failed++;
		return false;
	}
	if (first.has(address))
		lags.push(now - first.get(address));
	else
		first.set(address, now);
	return true;
}

async function play() {
	const seen = new Set();
	let at = null, late = false;

	while (performance.now() < until) {
		const answer = await get(at ? `${url}?_HLS_msn=${at.msn}&_HLS_part=${at.part}` : url);
		const next = answer.status === 200 && read(answer.text());

		if (!next) {
			failed++;
			at = null;
			await new Promise((ok) => setTimeout(ok, 200));
			continue;
		}
		at = next;
		const fresh = next.parts.slice(-3).filter((a) => !seen.has(a));
		fresh.forEach((a) => seen.add(a));
		const there = await Promise.all(fresh.map(takePart));
		late ||= there.includes(true) && performance.now() > (began + until) / 2;
	}
	playing += late;
}

await Promise.all(Array.from({ length: players }, play));
lags.sort((a, b) => a - b);
const say = (key, value) => console.log(`${key}=${value}`);
const lag = (share) => Math.round(lags[Math.min(lags.length - 1, Math.floor(lags.length * share))] ?? 0);
say('players', players);
say('playing', playing);
say('requests', requests);
say('addresses', addresses.size);
say('failed', failed);
say('part_lag_p50_ms', lag(0.5));
say('part_lag_p95_ms', lag(0.95));
agent.destroy();
