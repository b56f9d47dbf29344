// conform: plays a low-latency stream, HLS and DASH, and prints which rules its origin breaks.
//
//   node conform.mjs [--seconds N] [--http 1|2] [--insecure] [--restart MS] [--names] URL...
//     URL          of a multivariant playlist; the MPD is manifest.mpd beside it (--no-dash: none)
//     --seconds N  how long (10)
//     --restart MS the origin may be away for so long at a time (0), and then need not have what was before
//     --cut        answers cut short (by the end of a server behind a proxy) are no breach; each is told, with its time
//     --names      print only the names of the broken rules, a line for each URL
//     --rules      print all rules and end
//
// Prints the first breach of each rule and how often it was broken; then what was seen. Exit status: 0 none; 1 some; 69
// nothing could be played; 64.

import { parseArgs } from 'node:util';

import { dash } from './dash.mjs';
import { Client } from './http.mjs';
import { Player } from './play.mjs';
import { rules } from './rules.mjs';

function usage() {
	console.error('usage: conform.mjs [--seconds N] [--http 1|2] [--insecure] [--restart MS] [--no-dash] [--names] URL...');
	process.exit(64);
}

function options() {
	try {
		return parseArgs({ allowPositionals: true, options: {
			seconds: { type: 'string', default: '10' }, http: { type: 'string', default: '1' },
			insecure: { type: 'boolean', default: false }, restart: { type: 'string', default: '0' },
			'no-dash': { type: 'boolean', default: false }, names: { type: 'boolean', default: false },
			rules: { type: 'boolean', default: false }, cut: { type: 'boolean', default: false },
		} });
	} catch {
		return usage();
	}
}

// One presentation: {broken: rule -> {times, where, what}, counts}.
async function conform(url, o) {
	const broken = new Map(), client = new Client({ version: o.http, insecure: o.insecure });
	const breach = (rule, where, what) => {
		if (!(rule in rules))
			throw new Error(`no such rule: ${rule}`);
		if (o.cut && what === 'aborted') {
			console.log(`cut: ${Date.now()}: ${rule}: ${where}`);
			return;
		}
		const b = broken.get(rule) ?? { times: 0, where, what };
		b.times++;
		broken.set(rule, b);
	};
	const player = new Player(client, url, { breach, restart_ms: Number(o.restart), origin_restarts: Number(o.restart) > 0 });
	const [counts, mpds] = await Promise.all([player.run(Number(o.seconds)),
		o['no-dash'] ? 0 : dash(client, new URL('manifest.mpd', url).href, Number(o.seconds), breach, Number(o.restart))]);
	client.close();
	return { broken, counts: { ...counts, maps: counts.maps.size, mpds, requests: client.requests } };
}

function print(url, { broken, counts }, o) {
	if (o.names) {
		console.log(`${url} ${[...broken.keys()].sort().join(' ')}`);
		return;
	}
	for (const [rule, b] of broken)
		console.log(`broken: ${rule}: ${rules[rule]}: ${b.where}: ${b.what}${b.times > 1 ? ` (${b.times} times)` : ''}`);
	console.log(`${Object.entries(counts).map(([k, v]) => `${k}=${v}`).join(' ')} rules=${Object.keys(rules).length} ` +
		`broken=${broken.size}`);
}

const { values, positionals } = options();
if (values.rules) {
	for (const [name, text] of Object.entries(rules))
		console.log(`${name}: ${text}`);
	process.exit(0);
}
if (!positionals.length || !(Number(values.seconds) > 0) || !['1', '2'].includes(values.http))
	usage();
const results = await Promise.all(positionals.map((u) => conform(u, values)));
results.forEach((r, i) => print(positionals[i], r, values));
if (results.some((r) => !r.counts.playlists))
	process.exit(69);
process.exit(results.some((r) => r.broken.size) ? 1 : 0);
