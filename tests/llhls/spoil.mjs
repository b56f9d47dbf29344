// spoil: a broken origin: passes on what a good one says, with one fault to each path, to show that conform.mjs can fail.
//
//   node spoil.mjs ORIGIN-URL READY-FILE     http://127.0.0.1:PORT/FAULT/... is ORIGIN-URL/..., spoilt; PORT is in READY-FILE
//   node spoil.mjs --list [--timed|--beside] the faults, named after the rules that they break; those of time, and of
//                                          captions and cues, by themselves
//
// The fault `none` changes nothing.

import { renameSync, writeFileSync } from 'node:fs';
import http from 'node:http';

const media = (f) => ({ media: f });
const swap = (from, to) => media((text) => text.replace(from, to));
const query = (r) => new URL(r.url, 'http://h').searchParams;
const wait = (ms) => new Promise((r) => { setTimeout(r, ms); });
// A fault that comes and goes: every nth answer has it.
const turns = new Map();
const turn = (key, n) => {
	turns.set(key, (turns.get(key) ?? 0) + 1);
	return turns.get(key) % n === 0;
};

// rule: [a fault that breaks it]. request: before it goes to the origin, may answer itself ({status, ...}) or change it;
// media, master, mpd: of texts; answer: of anything.
export const faults = {
	'syntax': swap(/,URI=/, ',,URI='),
	'version': swap('#EXT-X-VERSION:9', '#EXT-X-VERSION:4'),
	'target-duration': swap(/#EXTINF:\d/, '#EXTINF:9'),
	'part-inf': swap(/,PART-HOLD-BACK=[\d.]+/, ''),
	'part-hold-back': swap(/PART-HOLD-BACK=[\d.]+/, 'PART-HOLD-BACK=0.3'),
	'hold-back': swap(/,HOLD-BACK=\d+/, ',HOLD-BACK=2'),
	'can-block-reload': swap('CAN-BLOCK-RELOAD=YES,', ''),
	'can-skip-until': swap(/(#EXT-X-SERVER-CONTROL:.*?)(,CAN-SKIP-UNTIL=[\d.]+)?(,|\n)/, '$1,CAN-SKIP-UNTIL=3$3'),
	'part-long': swap(/PART:DURATION=[\d.]+/, 'PART:DURATION=0.9'),
	'part-short': media((t) => t.replace(/PART:DURATION=[\d.]+(,URI="[^"]*")\n/, 'PART:DURATION=0.05$1\n')),
	'part-sum': media((t) => t.replace(/(PART:DURATION=[\d.]+,URI="\d+)\.0/, '$1.0').replace(/#EXT-X-PART:.*\n(#EXTINF)/, '$1')),
	'part-list': media((t) => t.replace(/#EXT-X-PART:.*\n/g, '')),
	'map': swap(/#EXT-X-MAP:.*\n/, ''),
	'date': media((t) => t.replace(/#EXT-X-PROGRAM-DATE-TIME:.*\n/g, '')),
	'hint': swap(/#EXT-X-PRELOAD-HINT:.*\n/, ''),
	'hint-kept': media((t) => t.replace(/(PRELOAD-HINT:.*URI="\d+\.)\d+/, '$198')),
	'reports': swap(/#EXT-X-RENDITION-REPORT:.*\n/, ''),
	'no-type': swap('#EXT-X-MEDIA-SEQ', '#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MEDIA-SEQ'),
	'no-directive': swap(/(PART:.*\.m4s)"/, '$1?_HLS_msn=1"'),
	'constant': media((t, key) => (turn(key, 3) ? t.replace(/PART-TARGET=([\d.]+)/, 'PART-TARGET=$11') : t)),
	'sequence': media((t, key) => (turn(key, 2) ? t.replace(/(MEDIA-SEQUENCE:)(\d+)/, (_, a, n) => a + (n - 5)) : t)),
	'discontinuity-sequence': media((t, key) => t.replace('#EXT-X-MEDIA-SEQ',
		`#EXT-X-DISCONTINUITY-SEQUENCE:${turn(key, 3) ? 1 : 0}\n#EXT-X-MEDIA-SEQ`)),
	'append': media((t, key) => (turn(key, 3) ? t.replace(/(EXTINF:[\d.]+)\d/, '$11') : t)),
	'part-pace': { request: async (r) => { if (query(r).has('_HLS_part')) await wait(900); } },
	'multivariant': { master: (t) => t.replace(/,FRAME-RATE=[\d.]+/, '') },
	'same-control': media((t, key, url) => (url.includes('/audio/') ? t.replace(/PART-HOLD-BACK=/, 'PART-HOLD-BACK=1') : t)),
	'same-date': media((t, key, url) => (url.includes('/audio/') ? t.replace(/(DATE-TIME:.*\.)(\d{3})Z/g,
		(_, at, ms) => `${at}${String((Number(ms) + 500) % 1000).padStart(3, '0')}Z`) : t)),
	'same-discontinuity': media((t, key, url) => (url.includes('/audio/') ? t.replace(/(EXTINF.*\n.*\n)(?=#EXT-X-PROG)/,
		'$1#EXT-X-DISCONTINUITY\n') : t)),
	'reachable': { request: (r) => (turn('reachable', 20) ? { status: 0 } : null) },
	'status': { request: (r) => (/\d+\.1\.m4s$/.test(r.url) ? { status: 404 } : null) },
	'type': { answer: (a) => { delete a.headers['access-control-allow-origin']; } },
	'cache': { answer: (a, r) => { if (/\/\d+\.m4s$/.test(r.url)) a.headers['cache-control'] = 'no-store'; } },
	'gzip': { request: (r) => { delete r.headers['accept-encoding']; return null; } },
	'block': { request: (r) => { r.url = r.url.replace(/\?.*/, ''); return null; } },
	'block-long': { request: (r) => (query(r).has('_HLS_part') && turn('block-long', 10) ? { status: 503 } : null) },
	'msn-missing': { request: (r) => { r.url = r.url.replace(/\?_HLS_part=0$/, ''); return null; } },
	'msn-far': { request: async (r) => { if (/_HLS_msn=\d+$/.test(r.url)) await wait(1600); return null; } },
	'msn-old': { request: (r) => (/_HLS_part=3$/.test(r.url) && turn('old', 1) ? { status: 404 } : null) },
	'skip': media((t) => t.replace('#EXT-X-MEDIA-SEQ', '#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXT-X-MEDIA-SEQ')),
	'unknown': { request: (r) => (r.url.includes('no-such') ? { status: 200 } : null) },
	'dribble': { answer: (a, r) => { a.slowly = /\d+\.\d+\.m4s$/.test(r.url); } },
	'boxes': { answer: (a, r) => { if (/\d+\.m4s$/.test(r.url)) a.body = a.body.subarray(0, a.body.length - 3); } },
	'part-bytes': { answer: (a, r) => { if (/\/\d+\.m4s$/.test(r.url)) a.body[a.body.length - 1] ^= 1; } },
	'duration': swap(/#EXTINF:0\.|#EXTINF:1\./g, (m) => (m === '#EXTINF:1.' ? '#EXTINF:1.1' : '#EXTINF:0.1')),
	'independent': media((t) => t.replace(/(\.2\.m4s")\n/g, '$1,INDEPENDENT=YES\n')),
	'continuous': { answer: (a, r) => { if (/\.3\.m4s$/.test(r.url)) shift(a.body); } },
	'iframes': media((t) => t.replace(/(BYTERANGE:)\d+@0/g, '$1100@0')),
	'daterange': swap(/(DATERANGE:.*SCTE35-[A-Z]+=)0x/, '$1'),
	'daterange-kept': media((t, key) => (turn(key, 2) ? t.replace(/(DATERANGE:.*PLANNED-DURATION=)/g, '$11') : t)),
	'daterange-same': media((t, key, url) => (url.includes('/audio/') ? t.replace(/(DATERANGE:.*PLANNED-DURATION=)/g, '$12') : t)),
	'subtitles': { answer: (a, r) => { if (/\.vtt$/.test(r.url)) a.body = Buffer.from(a.body.toString().replace(/-->/g, '->')); } },
	'subtitles-list': media((t, key, url) => (/\/cc1\//.test(url) ? t.replace(/(TARGETDURATION:)/, '$11') : t)),
	'subtitles-map': { answer: (a, r) => { if (/[02468]\.vtt$/.test(r.url)) a.body = Buffer.from(a.body.toString().replace(/MPEGTS:\d+/, 'MPEGTS:900000')); } },
	'mpd': { mpd: (t) => t.replace(/availabilityTimeComplete="false"/g, '') },
	'mpd-constant': { mpd: (t, key) => (turn(key, 2) ? t.replace('Resync type="0"', 'Resync type="1"') : t) },
	'mpd-segment': { request: async (r) => { if (/\/\d+\.m4s$/.test(r.url)) await wait(4000); return null; } },
	'window': media((t, key) => (turn(key, 3) ? short(t) : t)),
};

// Of what a stream has beside its media.
const aside = new Set(['daterange', 'daterange-kept', 'daterange-same', 'subtitles', 'subtitles-list', 'subtitles-map']);

// To be seen by a clock: on a busy machine a good origin looks like these.
const timed = new Set(['part-pace', 'msn-far', 'dribble', 'mpd-segment']);

// Moves every chunk of a part one unit of time on.
function shift(b) {
	for (let at = b.indexOf('tfdt'); at >= 0; at = b.indexOf('tfdt', at + 4))
		b[at + 15]++;
}

// A playlist of its last segment only.
function short(text) {
	const lines = text.split('\n'), last = lines.findLastIndex((l) => /^\d+\.m4s$/.test(l));
	const n = lines[last].split('.')[0], from = lines.findIndex((l) => l.startsWith('#EXT-X-PROGRAM-DATE-TIME'));
	const map = lines.find((l) => l.startsWith('#EXT-X-MAP'));
	const to = lines.findLastIndex((l, i) => i < last && l.startsWith('#EXT-X-PROGRAM-DATE-TIME'));

	return [...lines.slice(0, from).filter((l) => !l.startsWith('#EXT-X-MAP')), map, ...lines.slice(to)].join('\n')
		.replace(/(MEDIA-SEQUENCE:)\d+/, `$1${n}`);
}

function fetch(url, headers) {
	return new Promise((resolve, reject) => {
		http.get(url, { headers: { ...headers, host: new URL(url).host } }, (res) => {
			const pieces = [];
			res.on('data', (p) => pieces.push(p)).on('error', reject);
			res.on('end', () => resolve({ status: res.statusCode, headers: { ...res.headers }, body: Buffer.concat(pieces) }));
		}).on('error', reject);
	});
}

function kind(a) {
	const type = a.headers['content-type'] ?? '';

	if (a.status !== 200 || a.headers['content-encoding'])
		return null;
	if (type.includes('mpegurl'))
		return a.body.includes('#EXT-X-STREAM-INF') ? 'master' : 'media';
	return type.includes('dash') ? 'mpd' : null;
}

async function spoilt(origin, req) {
	const [, name, rest] = /^\/([^/]*)(\/.*)$/.exec(req.url) ?? [];
	const fault = faults[name] ?? {};
	const r = { url: rest, headers: { ...req.headers } };

	if (rest === undefined || (name !== 'none' && !(name in faults)))
		return { status: 404, headers: {}, body: Buffer.from('no such fault\n') };
	if (name !== 'gzip')
		r.headers['x-fault'] = name;
	if (kindOfText(rest) && name !== 'none' && (fault.media || fault.master || fault.mpd))
		delete r.headers['accept-encoding']; // what is to be changed has to be read
	const own = await fault.request?.(r);
	if (own)
		return { headers: { 'access-control-allow-origin': '*', 'content-type': 'text/plain' }, body: Buffer.alloc(0), ...own };
	const a = await fetch(origin + r.url, r.headers);
	const change = fault[kind(a)];
	if (change)
		a.body = Buffer.from(change(a.body.toString(), `${name} ${rest.split('?')[0]}`, rest));
	fault.answer?.(a, r);
	return a;
}

const kindOfText = (url) => /\.(m3u8|mpd)(\?|$)/.test(url);

async function send(res, a) {
	if (!a.status) {
		res.destroy();
		return;
	}
	const headers = { ...a.headers, 'content-length': a.body.length };
	delete headers['transfer-encoding'];
	delete headers.connection;
	res.writeHead(a.status, headers);
	if (!a.slowly) {
		res.end(a.body);
		return;
	}
	for (let i = 0; i < 8; i++) {
		res.write(a.body.subarray(a.body.length * i / 8, a.body.length * (i + 1) / 8));
		await wait(40);
	}
	res.end();
}

if (process.argv[2] === '--list') {
	const wanted = process.argv[3] ?? '--usual';
	const sort = (f) => (timed.has(f) ? '--timed' : aside.has(f) ? '--beside' : '--usual');
	console.log(Object.keys(faults).filter((f) => sort(f) === wanted).join('\n'));
} else {
	const [origin, ready] = process.argv.slice(2);
	const server = http.createServer((req, res) => {
		spoilt(origin, req).then((a) => send(res, a)).catch(() => res.destroy());
	}).listen(0, '127.0.0.1', () => {
		writeFileSync(`${ready}.new`, `${server.address().port}\n`);
		renameSync(`${ready}.new`, ready);
	});
}
