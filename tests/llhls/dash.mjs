// dash: the MPD and the segment in progress, held against the DASH-IF's low-latency rules.

import { performance } from 'node:perf_hooks';

import { slack_ms } from './play.mjs';

const wait = (ms) => new Promise((r) => { setTimeout(r, ms); });

// xml TEXT: {name, attributes, children, text}; enough for an MPD. Throws what is not well-formed.
export function xml(text) {
	const root = { name: '', children: [], text: '' }, open = [root];
	const token = /<\?[^>]*\?>|<!--[\s\S]*?-->|<(\/?)([\w:-]+)((?:\s+[\w:-]+\s*=\s*"[^"<]*")*)\s*(\/?)>|([^<]+)/y;

	for (token.lastIndex = 0; token.lastIndex < text.length;) {
		const at = token.lastIndex, m = token.exec(text);
		if (!m)
			throw new Error(`no XML at ${at}: ${text.slice(at, at + 40)}`);
		const [, close, name, list, empty, chars] = m;
		if (chars !== undefined)
			open.at(-1).text += chars.trim();
		else if (close && open.pop().name !== name)
			throw new Error(`</${name}> closes another`);
		else if (name && !close) {
			const e = { name, attributes: {}, children: [], text: '' };
			for (const [, k, v] of list.matchAll(/([\w:-]+)\s*=\s*"([^"]*)"/g))
				e.attributes[k] = v;
			open.at(-1).children.push(e);
			if (!empty)
				open.push(e);
		}
	}
	if (open.length !== 1)
		throw new Error(`<${open.at(-1).name}> has no end`);
	return root.children[0];
}

const all = (e, name) => e.children.flatMap((c) => [...(c.name === name ? [c] : []), ...all(c, name)]);
const seconds = (s) => {
	const m = /^PT(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?$/.exec(s ?? '');
	return m ? Number(m[1] ?? 0) * 3600 + Number(m[2] ?? 0) * 60 + Number(m[3] ?? 0) : NaN;
};

function set(s, latency, say) {
	const producers = all(s, 'ProducerReferenceTime'), { contentType } = s.attributes;

	if (contentType === 'text') { // of whole segments
		if (!s.attributes.lang && !all(s, 'Label').length)
			say('mpd', 'text without a language or a label');
		return;
	}
	if (!producers.length)
		say('mpd', 'an AdaptationSet without ProducerReferenceTime');
	for (const rep of all(s, 'Representation')) {
		const t = all(rep, 'SegmentTemplate')[0] ?? all(s, 'SegmentTemplate')[0];
		const resync = all(rep, 'Resync')[0] ?? all(s, 'Resync')[0];
		const scale = Number(t?.attributes.timescale ?? 1);
		if (!t || !(Number(t.attributes.duration) > 0))
			say('mpd', `${rep.attributes.id}: no SegmentTemplate with a duration`);
		else if (t.attributes.availabilityTimeComplete !== 'false' || !(Number(t.attributes.availabilityTimeOffset) > 0))
			say('mpd', `${rep.attributes.id}: availabilityTimeComplete ${t.attributes.availabilityTimeComplete}, ` +
				`availabilityTimeOffset ${t.attributes.availabilityTimeOffset}`);
		if (!resync || resync.attributes.marker !== 'true' || Number(resync.attributes.dT) / scale > latency)
			say('mpd', `${rep.attributes.id}: Resync ${JSON.stringify(resync?.attributes)}`);
		for (const a of ['id', 'codecs', 'bandwidth'])
			if (!rep.attributes[a])
				say('mpd', `a Representation without ${a}`);
	}
}

export function checkMpd(mpd, say) {
	const latency = Number(all(mpd, 'Latency')[0]?.attributes.target) / 1000;
	const ids = all(mpd, 'ProducerReferenceTime').map((p) => p.attributes.id);

	if (mpd.attributes.type !== 'dynamic' || !mpd.attributes.availabilityStartTime || !mpd.attributes.publishTime)
		say('mpd', 'type, availabilityStartTime or publishTime');
	if (!(latency > 0))
		say('mpd', 'no ServiceDescription with a Latency');
	if (!mpd.children.some((c) => c.name === 'UTCTiming' && c.attributes.value))
		say('mpd', 'no UTCTiming');
	if (new Set(ids).size !== ids.length)
		say('mpd', 'two ProducerReferenceTime of one id');
	if (!(seconds(mpd.attributes.timeShiftBufferDepth) > 0))
		say('mpd', `timeShiftBufferDepth ${mpd.attributes.timeShiftBufferDepth}`);
	all(mpd, 'AdaptationSet').forEach((s) => set(s, latency, say));
	return latency;
}

// The segment that the clock is in: its first bytes are there, the rest comes as it is made.
async function inProgress(client, url, mpd, say) {
	const start = Date.parse(mpd.attributes.availabilityStartTime), period = all(mpd, 'Period')[0];

	for (const rep of all(mpd, 'AdaptationSet').filter((s) => s.attributes.contentType !== 'text').flatMap((s) => all(s, 'Representation'))) {
		const t = all(rep, 'SegmentTemplate')[0].attributes, scale = Number(t.timescale);
		const d = Number(t.duration) / scale, offset = Number(t.availabilityTimeOffset);
		const now = Date.now() / 1000 - start / 1000 - seconds(period.attributes.start);
		const n = Math.floor((now + offset) / d - 1 + 1e-9) + Number(t.startNumber ?? 1);
		const a = await client.get(new URL(t.media.replace('$Number$', n).replace('$RepresentationID$', rep.attributes.id), url).href);
		if (a.status !== 200)
			say('mpd-segment', `${a.status} for segment ${n} of ${rep.attributes.id}, which the clock is in`);
		else if (a.done - a.at > 2 * d * 1000 + slack_ms || a.first - a.at > d * 1000 + slack_ms)
			say('mpd-segment', `segment ${n} of ${rep.attributes.id}: first byte after ${(a.first - a.at).toFixed(0)} ms, last after ` +
				`${(a.done - a.at).toFixed(0)}`);
	}
}

// restart_ms: the origin may be away for so long at a time, and need not have what should have been made meanwhile.
export async function dash(client, url, seconds_, breach, restart_ms) {
	const say = (rule, what) => breach(rule, 'MPD', what), end = performance.now() + seconds_ * 1000;
	let first = null, n = 0, well = performance.now();
	const patient = () => performance.now() - well < restart_ms;
	const told = (rule, what) => (rule === 'mpd-segment' && patient() ? null : say(rule, what));

	while (performance.now() < end) {
		try {
			const a = await client.get(url);
			if (a.status !== 200) {
				if (!patient())
					say('status', `${a.status} for the MPD`);
				await wait(200);
				continue;
			}
			const mpd = xml(a.body.toString());
			checkMpd(mpd, say);
			const looks = a.body.toString().replace(/(bandwidth|publishTime|codecs|initialization)="[^"]*"/g, '');
			if (first !== null && looks !== first)
				say('mpd-constant', 'another text, though the tracks have stayed');
			first = looks;
			const timing = mpd.children.find((c) => c.name === 'UTCTiming');
			const time = timing && await client.get(new URL(timing.attributes.value, url).href);
			if (time && Math.abs(Date.parse(time.body.toString()) - Date.now()) > 2000)
				say('mpd', `UTCTiming tells ${time.body}`);
			let bad = false;
			await inProgress(client, url, mpd, (rule, what) => { bad = true; told(rule, what); });
			if (!bad)
				well = performance.now();
			n++;
		} catch (e) {
			if (!e.code || !patient())
				say(e.code ? 'reachable' : 'mpd', e.message);
		}
		await wait(500);
	}
	return n;
}
