// texts: what stands beside the media: date ranges of playlists (D 4.4.5.1), and renditions of WebVTT (D 3.1.4).
// Rules as in rules.mjs.

import { parse } from './m3u8.mjs';
import { edge } from './rules.mjs';

// ---- date ranges ----

const date = (s) => (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)$/.test(s ?? '') ? Date.parse(s) : NaN);
const decimal = (s) => (/^\d+(\.\d+)?$/.test(s) ? Number(s) : NaN);
const hex = /^0[xX][0-9A-Fa-f]+$/;

function range(a, say) {
	const start = date(a['START-DATE']), end = a['END-DATE'] === undefined ? null : date(a['END-DATE']);
	const seconds = a.DURATION === undefined ? null : decimal(a.DURATION);

	if (!a.ID || Number.isNaN(start))
		say('daterange', `ID ${a.ID}, START-DATE ${a['START-DATE']}`);
	for (const name of ['DURATION', 'PLANNED-DURATION'])
		if (name in a && Number.isNaN(decimal(a[name])))
			say('daterange', `${a.ID}: ${name} is ${a[name]}`);
	if (end !== null && !(end >= start))
		say('daterange', `${a.ID} begins ${a['START-DATE']} and ends ${a['END-DATE']}`);
	if (end !== null && seconds !== null && Math.abs(end - start - 1000 * seconds) > 1)
		say('daterange', `${a.ID}: END-DATE and DURATION are not the same`);
	if ('END-ON-NEXT' in a && (a['END-ON-NEXT'] !== 'YES' || !a.CLASS || end !== null || seconds !== null))
		say('daterange', `${a.ID}: END-ON-NEXT wants a CLASS, and no end`);
	for (const name of ['SCTE35-CMD', 'SCTE35-OUT', 'SCTE35-IN'])
		if (name in a && !hex.test(a[name]))
			say('daterange', `${a.ID}: ${name} is ${a[name]}`);
}

const compare = (a, b, rule, say) => {
	for (const name of Object.keys(a))
		if (name in b && a[name] !== b[name])
			say(rule, `${a.ID}: ${name} is ${a[name]} and ${b[name]}`);
};

// One media playlist.
export function ranges(p, say) {
	const known = new Map();

	if (p.dateranges.length && !p.skipped && !p.segments.some((s) => s.date !== null))
		say('daterange', 'there are ranges and no EXT-X-PROGRAM-DATE-TIME');
	for (const a of p.dateranges) {
		range(a, say);
		if (known.has(a.ID))
			compare(known.get(a.ID), a, 'daterange', say);
		known.set(a.ID, a);
	}
}

// B after A, from one URL, or at one time from two: what was told of a range stays as it is.
export function sameRanges(a, b, rule, say) {
	const known = new Map(a.dateranges.map((d) => [d.ID, d]));

	for (const d of b.dateranges)
		if (known.has(d.ID))
			compare(known.get(d.ID), d, rule, say);
}

// ---- WebVTT ----

const clock = (h, m, s) => 3600 * Number(h ?? 0) + 60 * Number(m) + Number(s);

// {mpegts, local, cues: [{from, to, text}]}: times in seconds. Throws what is no WebVTT.
export function vtt(text) {
	const blocks = text.replace(/\r\n?/g, '\n').split(/\n{2,}/), head = blocks.shift().split('\n');
	const map = head.find((l) => l.startsWith('X-TIMESTAMP-MAP='));
	const mpegts = /MPEGTS:(\d+)/.exec(map ?? ''), local = /LOCAL:(?:(\d+):)?(\d\d):(\d\d\.\d{3})/.exec(map ?? '');
	const cues = [];

	if (!/^WEBVTT([ \t].*)?$/.test(head[0]))
		throw new Error(`the first line is ${head[0].slice(0, 40)}`);
	for (const b of blocks) {
		const lines = b.split('\n').filter((l, i, all) => l || i + 1 < all.length), at = lines.findIndex((l) => l.includes('-->'));
		if (!lines.length || /^(NOTE|STYLE|REGION)/.test(lines[0]))
			continue;
		const m = /^(?:(\d+):)?(\d\d):(\d\d\.\d{3})[ \t]+-->[ \t]+(?:(\d+):)?(\d\d):(\d\d\.\d{3})(?:[ \t]|$)/.exec(lines[at] ?? '');
		if (!m || at > 1)
			throw new Error(`no cue: ${lines[0].slice(0, 40)}`);
		cues.push({ from: clock(m[1], m[2], m[3]), to: clock(m[4], m[5], m[6]), text: lines.slice(at + 1).join('\n') });
	}
	return { mpegts: mpegts && Number(mpegts[1]), local: local && clock(local[1], local[2], local[3]), cues };
}

function list(p, control, say) {
	const target = Number(p.header.TARGETDURATION);

	p.faults.forEach((f) => say('syntax', f));
	if (p.segments.some((s) => s.parts.length) && !('PART-INF' in p.header))
		say('subtitles-list', 'parts without EXT-X-PART-INF');
	if (control && target !== control)
		say('subtitles-list', `EXT-X-TARGETDURATION is ${target}, of the media ${control}`);
	if (!p.segments.some((s) => s.date !== null))
		say('subtitles-list', 'no dates');
	for (const s of p.segments)
		if (s.complete && Math.round(s.duration) > target)
			say('subtitles-list', `${s.uri} lasts ${s.duration} of ${target} s`);
}

// Segments of a number are of one time, whatever is in them.
function beside(p, media, say) {
	const known = new Map(media.segments.map((s) => [s.msn, s]));

	for (const s of p.segments) {
		const o = known.get(s.msn);
		if (o?.date != null && s.date !== null && Math.abs(o.date - s.date) > 60)
			say('subtitles-list', `segment ${s.msn} is ${s.date - o.date} ms from that of the media`);
		if (o && o !== media.segments[0] && s !== p.segments[0] && o.discontinuity !== s.discontinuity)
			say('subtitles-list', `a discontinuity at segment ${s.msn} of one of the two`);
	}
}

const wrap = 2 ** 33;

// The clock that the map tells goes on as dates do. map: {date, mpegts} of the segment before, or null.
function mapped(v, s, map, say) {
	if (v.mpegts === null || v.local === null) {
		say('subtitles-map', `${s.uri} has no X-TIMESTAMP-MAP`);
		return null;
	}
	const now = { date: s.date, mpegts: v.mpegts - 90000 * v.local };
	const by = map && (((now.mpegts - map.mpegts) % wrap) + wrap) % wrap / 90 - (now.date - map.date);
	if (map && s.date !== null && Math.min(Math.abs(by), wrap / 90 - Math.abs(by)) > 60)
		say('subtitles-map', `${s.uri} is ${by.toFixed(0)} ms off by its map`);
	return now;
}

function cues(v, s, say) {
	const from = v.local ?? 0;

	for (const c of v.cues)
		if (!(c.from < c.to) || c.from < from - 0.001 || c.to > from + s.duration + 0.06 || !c.text)
			say('subtitles', `${s.uri}: a cue from ${c.from} to ${c.to} s, of ${s.duration}: ${JSON.stringify(c.text.slice(0, 30))}`);
}

async function segments(player, r, p, say) {
	for (const s of p.segments) {
		if (!s.complete || s.gap || r.done.has(s.msn) || player.over)
			continue;
		r.done.add(s.msn);
		const a = await player.get(new URL(s.uri, r.url).href);
		if (!a || (a.status !== 200 && player.counts.refused))
			return;
		if (a.status !== 200 || !/^text\/vtt(;|$)/.test(a.headers['content-type'] ?? '')) {
			say('subtitles', `${s.uri}: ${a.status}, ${a.headers['content-type']}`);
			continue;
		}
		try {
			const v = vtt(a.body.toString());
			r.map = mapped(v, s, s.discontinuity ? null : r.map, say);
			cues(v, s, say);
			player.counts.texts = (player.counts.texts ?? 0) + 1;
			player.counts.cues = (player.counts.cues ?? 0) + v.cues.length;
		} catch (e) {
			say('subtitles', `${s.uri}: ${e.message}`);
		}
	}
}

// follow PLAYER R: the rendition of text R {name, url} by blocking reloads, with all its segments, until the player ends.
export async function follow(player, r) {
	const say = player.say(r.name), media = () => player.renditions.find((o) => o.list)?.list;
	let query = '', last = null;

	r.done = new Set();
	while (!player.over && performance.now() < player.end) {
		const a = await player.get(r.url + query);
		if (!a)
			return;
		if (a.status !== 200) {
			say('status', `${a.status}`);
			return;
		}
		const p = parse(a.body.toString()), first = Number(p.header['MEDIA-SEQUENCE']);
		list(p, Number(media()?.header.TARGETDURATION), say);
		if (media())
			beside(p, media(), say);
		if (last && (first < Number(last.header['MEDIA-SEQUENCE']) || edge(p)[0] < edge(last)[0]))
			say('subtitles-list', `${first} to ${edge(p)[0]} after ${last.header['MEDIA-SEQUENCE']} to ${edge(last)[0]}`);
		await segments(player, r, p, say);
		if (p.ended)
			return;
		last = p;
		query = `?_HLS_msn=${edge(p)[0]}`;
	}
}
