// rules: what a playlist, two successive ones, or those of one presentation must be. Pure: playlists of m3u8.mjs in,
// breaches out. D is draft-pantos-hls-rfc8216bis, A Apple's HLS Authoring Specification, I the DASH-IF's low-latency CR.

export const rules = {
	// one playlist
	'syntax': 'the grammar of playlists, order of tags (D 4)',
	'version': 'EXT-X-VERSION covers what is used: 6 with MAP, 9 with SKIP (D 8)',
	'target-duration': 'no segment, rounded, is longer than EXT-X-TARGETDURATION (D 4.4.3.1)',
	'part-inf': 'EXT-X-PART-INF and PART-HOLD-BACK stand where parts do (D 4.4.3.7)',
	'part-hold-back': 'PART-HOLD-BACK is 3 times PART-TARGET or more (D 4.4.3.8, A 14.3)',
	'hold-back': 'HOLD-BACK is 3 times the target duration or more (D 4.4.3.8)',
	'can-skip-until': 'CAN-SKIP-UNTIL is 6 times the target duration or more (D 4.4.3.8)',
	'can-block-reload': 'CAN-BLOCK-RELOAD=YES while the stream goes on (D B.1)',
	'part-long': 'no part is longer than PART-TARGET (D 4.4.4.9)',
	'part-short': 'parts last 85 % of PART-TARGET, save those that may be shorter (D 4.4.4.9)',
	'part-sum': 'the parts of a segment make its duration',
	'part-list': 'parts are listed for the last three target durations, and not for older segments (D 6.2.2)',
	'window': 'a live playlist holds three target durations or more (D 6.2.2)',
	'map': 'every segment with media has its EXT-X-MAP',
	'date': 'EXT-X-PROGRAM-DATE-TIME in every playlist, and dates go on as durations do (D B.1)',
	'hint': 'one EXT-X-PRELOAD-HINT, of the part that comes next; none after the end (D 6.2.2)',
	'hint-kept': 'what was hinted is what is listed then (D 6.2.2)',
	'reports': 'a rendition report for each other media playlist, up to date (D 4.4.5.4, B.1)',
	'no-type': 'a live playlist has no EXT-X-PLAYLIST-TYPE (D 6.2.2)',
	'no-directive': 'URIs carry no _HLS_ parameters (D 6.2.5)',
	// one after the other
	'constant': 'the header\'s values stay (D 6.2.1; players end the session otherwise)',
	'sequence': 'EXT-X-MEDIA-SEQUENCE and the end of the list never go back (D 6.2.1)',
	'discontinuity-sequence': 'EXT-X-DISCONTINUITY-SEQUENCE counts what left the list (D 6.2.1)',
	'append': 'what is listed stays as it is: only the ends change (D 6.2.1)',
	'part-pace': 'a new part within one PART-TARGET of the last (D 6.2.2)',
	// all of a presentation
	'multivariant': 'each variant has its attributes, each group exists (D 4.4.6, A 9)',
	'same-control': 'all playlists have one target duration and server control (D 6.2.4)',
	'same-date': 'segments of one number have one date in all renditions (D 6.2.4)',
	'same-discontinuity': 'discontinuities stand at the same segments in all renditions (D 6.2.4)',
	// answers
	'reachable': 'the server answers',
	'status': 'what is asked for is answered by 200',
	'type': 'Content-Type and Access-Control-Allow-Origin (D 4, A 1)',
	'cache': 'what never changes may be kept, what does not is short (D 6.2.5, A 10)',
	'gzip': 'playlists come compressed to who takes that, and are the same (A 10.1)',
	'block': 'an answer to _HLS_msn and _HLS_part has that part, or the first of the next segment (D 6.2.5.2)',
	'block-long': 'nothing is held for more than three target durations (D 6.2.5.2)',
	'msn-missing': '_HLS_part without _HLS_msn is 400 (D 6.2.5.2)',
	'msn-far': 'more ahead than two segments, or the Advance Part Limit, is 400 at once (D 6.2.5.2)',
	'msn-old': 'an old _HLS_msn is the whole playlist at once (D 6.2.5.2)',
	'skip': 'a delta update stands for the whole playlist; without CAN-SKIP-UNTIL there is none (D 6.2.5.1)',
	'unknown': 'what does not exist is 404, and at once (D 6.2.6)',
	'dribble': 'a part is sent when it is whole, not as it is made (D 6.2.6)',
	'stays': 'parts can be had three target durations after they left the list, segments for as long as the list (D 6.2.2)',
	// media
	'boxes': 'segments and parts are whole chunks (moof, mdat) of the init segment\'s track',
	'part-bytes': 'the parts of a segment, one after the other, are the segment',
	'duration': 'EXTINF and DURATION are what the samples last',
	'independent': 'what is told to be independent begins with a sync sample',
	'continuous': 'media time goes on from part to part, save at a discontinuity or gap',
	'iframes': 'playlists of key frames alone: each byte range is a chunk that begins with a sync sample (D 4.4.3.6)',
	// beside the media (texts.mjs)
	'daterange': 'each EXT-X-DATERANGE has ID and START-DATE, an end that agrees with itself, SCTE35 in hexadecimal (D 4.4.5.1)',
	'daterange-kept': 'what was told of a date range stays as it was (D 4.4.5.1, 6.2.1)',
	'daterange-same': 'a date range is the same in all renditions (D 4.4.5.1)',
	'subtitles': 'segments of subtitles are WebVTT whose cues lie in them (D 3.1.4)',
	'subtitles-list': 'playlists of subtitles list the times that those of media do (D 4.4.6.1, 6.2.4)',
	'subtitles-map': 'X-TIMESTAMP-MAP in each of them, and it goes on as dates do (D 3.1.4)',
	// LL-DASH
	'mpd': 'what the MPD has to say (I 9.X.4)',
	'mpd-constant': 'the MPD agrees with itself from one request to the next, whatever the coder does',
	'mpd-segment': 'a segment in progress can be asked for by the clock, and comes as it is made (I 9.X.4.5)',
};

const near = (a, b, by) => Math.abs(a - b) <= by;
const has = (o, ...names) => names.every((n) => n in o);

function header(p, say) {
	const h = p.header, target = Number(h.TARGETDURATION), control = h['SERVER-CONTROL'] ?? {};
	const part = Number(h['PART-INF']?.['PART-TARGET']), hold = Number(control['PART-HOLD-BACK']);

	if (!(target > 0))
		say('target-duration', `EXT-X-TARGETDURATION is ${h.TARGETDURATION}`);
	if (!(part > 0) || !(hold > 0))
		say('part-inf', `PART-TARGET ${part}, PART-HOLD-BACK ${hold}`);
	else if (hold < 3 * part - 1e-6)
		say('part-hold-back', `${hold} of ${part}`);
	if (has(control, 'HOLD-BACK') && Number(control['HOLD-BACK']) < 3 * target)
		say('hold-back', `${control['HOLD-BACK']} of ${target}`);
	if (has(control, 'CAN-SKIP-UNTIL') && Number(control['CAN-SKIP-UNTIL']) < 6 * target)
		say('can-skip-until', `${control['CAN-SKIP-UNTIL']} of ${target}`);
	if (control['CAN-BLOCK-RELOAD'] !== 'YES' && !p.ended)
		say('can-block-reload', 'it is not offered');
	if (has(h, 'PLAYLIST-TYPE'))
		say('no-type', h['PLAYLIST-TYPE']);
	const need = p.skipped ? 9 : p.segments.some((s) => s.map) ? 6 : 3;
	if (p.version < need)
		say('version', `${p.version}, ${need} is needed`);
}

function parts(s, last, target, say) {
	const sum = s.parts.reduce((t, x) => t + x.duration, 0);

	s.parts.forEach((x, i) => {
		const may = x.independent || x.gap || s.parts[i + 1]?.gap || i + 1 === s.parts.length;
		if (x.duration > target + 1e-6)
			say('part-long', `${x.uri} lasts ${x.duration} of ${target} s`);
		if (x.duration < 0.85 * target - 1e-6 && !may)
			say('part-short', `${x.uri} lasts ${x.duration} of ${target} s`);
	});
	if (s.complete && s.parts.length && !near(sum, s.duration, 0.0015 + 1e-6 * s.parts.length))
		say('part-sum', `${s.uri} lasts ${s.duration} s, its parts ${sum.toFixed(6)}`);
}

// An encoder may leave out frames at the end of a segment, less than a part: that needs no discontinuity.
function dates(p, say) {
	const hole_ms = 1000 * Number(p.header['PART-INF']?.['PART-TARGET'] ?? 0) + 1;
	let due = null;

	if (!p.segments.some((s) => s.date !== null))
		say('date', 'there is none');
	for (const s of p.segments) {
		if (s.date !== null && due !== null && !s.discontinuity && !near(s.date, due, hole_ms))
			say('date', `segment ${s.msn} is dated ${s.date - due} ms from the end of the one before`);
		due = s.complete && (s.date ?? due) !== null ? (s.date ?? due) + s.duration * 1000 : null;
	}
}

// Where the parts' list has to begin: at the first segment with less than three target durations behind its end.
function partList(p, target, say) {
	let after = 0;

	for (const s of [...p.segments].reverse()) {
		if (!s.gap && s.complete && !s.parts.length && after + s.duration < 3 * target)
			say('part-list', `no parts of ${s.uri}, ${after.toFixed(1)} s from the end`);
		if (s.complete && s.parts.length && after > 4 * target + 1)
			say('part-list', `parts of ${s.uri}, ${after.toFixed(1)} s from the end`);
		after += s.complete ? s.duration : s.parts.reduce((t, x) => t + x.duration, 0);
	}
}

function hint(p, say) {
	const found = p.hints.filter((h) => h.TYPE === 'PART');

	if (found.length !== (p.ended ? 0 : 1))
		say('hint', `${found.length} of them${p.ended ? ' after the end' : ''}`);
	const listed = new Set(p.segments.flatMap((s) => s.parts.map((x) => x.uri)));
	for (const h of found)
		if (listed.has(h.URI) && !has(h, 'BYTERANGE-START'))
			say('hint', `${h.URI} is listed already`);
}

// one PLAYLIST SAY: what can be seen of one media playlist alone.
export function one(p, say) {
	const target = Number(p.header.TARGETDURATION), part = Number(p.header['PART-INF']?.['PART-TARGET']);

	p.faults.forEach((f) => say('syntax', f));
	header(p, say);
	if (p.skipped)
		return;
	for (const s of p.segments) {
		if (s.complete && Math.round(s.duration) > target)
			say('target-duration', `${s.uri} lasts ${s.duration} of ${target} s`);
		if (!s.map && !s.gap)
			say('map', `${s.uri ?? s.parts[0]?.uri} has none`);
		for (const uri of [s.uri, ...s.parts.map((x) => x.uri)])
			if (uri?.includes('_HLS_'))
				say('no-directive', uri);
		parts(s, s === p.segments.at(-1), part, say);
	}
	dates(p, say);
	if (!p.ended)
		partList(p, target, say);
	hint(p, say);
}

const constants = ['TARGETDURATION', 'SERVER-CONTROL', 'PART-INF', 'VERSION'];
const looks = (s) => JSON.stringify([s.uri, s.duration, s.date, s.gap, s.discontinuity, s.gap ? null : s.map]);

function kept(a, b, say) {
	const known = new Map(a.segments.map((s) => [s.msn, s]));

	for (const s of b.segments) {
		const was = known.get(s.msn);
		if (!was)
			continue;
		if (was.complete && looks(was) !== looks(s))
			say('append', `segment ${s.msn} was ${looks(was)} and is ${looks(s)}`);
		was.parts.forEach((x, i) => {
			const now = s.parts[i];
			if (s.parts.length && (now?.uri !== x.uri || now.duration !== x.duration || now.independent !== x.independent))
				say('append', `part ${x.uri} of ${x.duration} s is ${now?.uri} of ${now?.duration} s`);
		});
	}
}

// Numbers of the last segment and part, to be compared.
export function edge(p) {
	const s = p.segments.at(-1);

	if (!s)
		return [0, -1];
	return s.complete ? [s.msn + 1, -1] : [s.msn, s.parts.length - 1];
}

const before = (a, b) => a[0] < b[0] || (a[0] === b[0] && a[1] < b[1]);

// two A B SAY: B was got from the same URL after A.
export function two(a, b, say) {
	for (const name of constants)
		if (JSON.stringify(a.header[name]) !== JSON.stringify(b.header[name]) && !b.ended && !b.skipped)
			say('constant', `EXT-X-${name} was ${JSON.stringify(a.header[name])}, is ${JSON.stringify(b.header[name])}`);
	const from = Number(a.header['MEDIA-SEQUENCE']), to = Number(b.header['MEDIA-SEQUENCE']);
	if (to < from || before(edge(b), edge(a)))
		say('sequence', `${from} to ${edge(a)} became ${to} to ${edge(b)}`);
	const gone = a.segments.filter((s) => s.msn < to);
	const count = (p) => Number(p.header['DISCONTINUITY-SEQUENCE'] ?? 0);
	const due = count(a) + gone.filter((s) => s.discontinuity).length;
	if (to <= edge(a)[0] && count(b) !== due)
		say('discontinuity-sequence', `${count(b)}, not ${due}`);
	if (gone.length) { // only the server's own removals are told from a short beginning
		const left = b.segments.reduce((t, s) => t + (s.duration ?? 0), 0);
		if (left < 3 * Number(b.header.TARGETDURATION))
			say('window', `${left.toFixed(1)} s are left`);
	}
	kept(a, b, say);
	hinted(a, b, say);
	if (a.ended && !b.ended)
		say('append', 'it goes on after EXT-X-ENDLIST');
}

// The hint of A, when B has got further, must be among B's parts or have been given up with its segment.
function hinted(a, b, say) {
	const h = a.hints.find((x) => x.TYPE === 'PART'), e = edge(a);
	const s = b.segments.find((x) => x.msn === e[0]);
	const came = s?.parts[e[1] + 1];

	if (h && came && came.uri !== h.URI)
		say('hint-kept', `${h.URI} was hinted, ${came.uri} is listed`);
}

// together LIST SAY: newest playlists [{name, url, list}] of all renditions of one presentation.
export function together(all, say) {
	const [first] = all;

	for (const r of all.slice(1)) {
		for (const name of ['TARGETDURATION', 'SERVER-CONTROL'])
			if (JSON.stringify(r.list.header[name]) !== JSON.stringify(first.list.header[name]))
				say('same-control', `EXT-X-${name} of ${r.name} is not that of ${first.name}`);
		const known = new Map(first.list.segments.map((s) => [s.msn, s]));
		for (const s of r.list.segments) {
			const o = known.get(s.msn);
			if (!o || s === r.list.segments[0] || o === first.list.segments[0])
				continue;
			if (s.date !== null && o.date !== null && !near(s.date, o.date, 60))
				say('same-date', `segment ${s.msn} of ${r.name} is ${s.date - o.date} ms from that of ${first.name}`);
			if (s.discontinuity !== o.discontinuity)
				say('same-discontinuity', `segment ${s.msn} of ${r.name} and ${first.name}`);
		}
	}
}

// reports LIST URL OTHERS SAY: of the playlist at URL; OTHERS: [{url, edge}] as known before it was asked for.
export function reports(p, url, others, say) {
	const found = new Map(p.reports.map((r) => [new URL(r.URI, url).href, r]));

	if (found.size !== p.reports.length || p.reports.some((r) => !has(r, 'URI', 'LAST-MSN')))
		say('reports', 'one stands twice, or without URI or LAST-MSN');
	for (const o of others) {
		const r = found.get(o.url);
		if (!r) {
			say('reports', `none of ${o.url}`);
			continue;
		}
		const told = [Number(r['LAST-MSN']), Number(r['LAST-PART'] ?? 0)];
		const was = o.edge[1] < 0 ? [o.edge[0] - 1, 0] : o.edge;
		if (before(told, was))
			say('reports', `${o.url} was at ${was} before, and is told to be at ${told}`);
	}
}

// multivariant LIST SAY.
export function multivariant(p, say) {
	const groups = new Set(p.media.map((m) => `${m.TYPE} ${m['GROUP-ID']}`));
	const video = p.variants.some((v) => has(v, 'RESOLUTION'));

	p.faults.forEach((f) => say('syntax', f));
	if (!p.variants.length)
		say('multivariant', 'no variant');
	for (const v of p.variants) {
		for (const a of ['BANDWIDTH', 'AVERAGE-BANDWIDTH', 'CODECS', ...(video ? ['FRAME-RATE', 'RESOLUTION'] : [])])
			if (!has(v, a))
				say('multivariant', `${v.uri} has no ${a}`);
		if (Number(v['AVERAGE-BANDWIDTH']) > Number(v.BANDWIDTH))
			say('multivariant', `${v.uri}: the mean is above the peak`);
		for (const type of ['AUDIO', 'SUBTITLES', 'VIDEO'])
			if (has(v, type) && !groups.has(`${type} ${v[type]}`))
				say('multivariant', `${v.uri}: no group ${v[type]}`);
	}
	for (const m of p.media)
		if (!has(m, 'TYPE', 'GROUP-ID', 'NAME'))
			say('multivariant', `EXT-X-MEDIA without TYPE, GROUP-ID or NAME: ${JSON.stringify(m)}`);
	const names = p.media.map((m) => `${m.TYPE} ${m['GROUP-ID']} ${m.NAME}`);
	if (new Set(names).size !== names.length)
		say('multivariant', 'two renditions of one name in a group');
}
