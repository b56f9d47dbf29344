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

	if (contentType === 'image')
		return;
	if (contentType === 'text') { // of whole segments
		if (!s.attributes.lang && !all(s, 'Label').length)
			say('mpd', 'text without a language or a label');
		return;
	}
	if (!producers.length)
		say('mpd', 'an AdaptationSet without ProducerReferenceTime');
	if (!all(s, 'InbandEventStream').some((e) => e.attributes.schemeIdUri === 'urn:mpeg:dash:event:2012' && e.attributes.value === '1'))
		say('mpd', 'an AdaptationSet without messages of the MPD\'s validity');
	const offsets = new Set(all(s, 'SegmentTemplate').map((t) => t.attributes.availabilityTimeOffset));
	if (offsets.size !== 1)
		say('mpd', `availabilityTimeOffset ${[...offsets].join()} in one AdaptationSet`);
	for (const rep of all(s, 'Representation')) {
		const t = all(rep, 'SegmentTemplate')[0] ?? all(s, 'SegmentTemplate')[0];
		const resync = all(rep, 'Resync')[0] ?? all(s, 'Resync')[0];
		const scale = Number(t?.attributes.timescale ?? 1);
		if (!t || !(Number(t.attributes.duration) > 0))
			say('mpd', `${rep.attributes.id}: no SegmentTemplate with a duration`);
		else if (t.attributes.availabilityTimeComplete !== 'false' || !(Number(t.attributes.availabilityTimeOffset) > 0))
			say('mpd', `${rep.attributes.id}: availabilityTimeComplete ${t.attributes.availabilityTimeComplete}, ` +
				`availabilityTimeOffset ${t.attributes.availabilityTimeOffset}`);
		if (!resync || resync.attributes.marker !== 'true' || Number(resync.attributes.dT) / scale > latency / 2)
			say('mpd', `${rep.attributes.id}: Resync ${JSON.stringify(resync?.attributes)}`);
		for (const a of ['id', 'codecs', 'bandwidth'])
			if (!rep.attributes[a])
				say('mpd', `a Representation without ${a}`);
	}
}

const periods = (mpd) => mpd.children.filter((c) => c.name === 'Period');

export function checkMpd(mpd, say) {
	const latency = Number(all(mpd, 'Latency')[0]?.attributes.target) / 1000;

	if (mpd.attributes.type !== 'dynamic' || !mpd.attributes.availabilityStartTime || !mpd.attributes.publishTime)
		say('mpd', 'type, availabilityStartTime or publishTime');
	if (!(latency > 0))
		say('mpd', 'no ServiceDescription with a Latency');
	if (!mpd.children.some((c) => c.name === 'UTCTiming' && c.attributes.value))
		say('mpd', 'no UTCTiming');
	for (const period of periods(mpd)) { // an id is one in its Period; the Latency of all refers to it
		const ids = all(period, 'ProducerReferenceTime').map((p) => p.attributes.id);
		if (new Set(ids).size !== ids.length)
			say('mpd', 'two ProducerReferenceTime of one id');
		if (!ids.includes(all(mpd, 'Latency')[0]?.attributes.referenceId))
			say('mpd', 'a Latency of no ProducerReferenceTime');
	}
	const names = periods(mpd).map((p) => p.attributes.id);
	if (names.some((x) => !x) || new Set(names).size !== names.length)
		say('mpd', `Periods ${names.join()}`);
	if (!(seconds(mpd.attributes.timeShiftBufferDepth) > 0))
		say('mpd', `timeShiftBufferDepth ${mpd.attributes.timeShiftBufferDepth}`);
	all(mpd, 'AdaptationSet').forEach((s) => set(s, latency, say));
	return latency;
}

// The segment that the clock is in: its first bytes are there, the rest comes as it is made.
async function inProgress(client, url, mpd, say) {
	const start = Date.parse(mpd.attributes.availabilityStartTime);
	const period = periods(mpd).findLast((p) => start / 1000 + seconds(p.attributes.start) <= Date.now() / 1000);

	for (const rep of all(period ?? mpd, 'AdaptationSet').filter((s) => s.attributes.contentType !== 'text').flatMap((s) => all(s, 'Representation'))) {
		const t = all(rep, 'SegmentTemplate')[0].attributes, scale = Number(t.timescale);
		const d = Number(t.duration) / scale, offset = Number(t.availabilityTimeOffset ?? 0); // thumbnails have none
		const now = Date.now() / 1000 - start / 1000 - seconds(period.attributes.start);
		const n = Math.floor((now + offset) / d - 1 + 1e-9) + Number(t.startNumber ?? 1);
		if (n < Number(t.startNumber ?? 1))
			continue; // the Period has just begun
		const a = await client.get(new URL(t.media.replace('$Number$', n).replace('$RepresentationID$', rep.attributes.id), url).href);
		if (a.status !== 200)
			say('mpd-segment', `${a.status} for segment ${n} of ${rep.attributes.id}, which the clock is in`);
		else if (a.done - a.at > 2 * d * 1000 + slack_ms || a.first - a.at > d * 1000 + slack_ms)
			say('mpd-segment', `segment ${n} of ${rep.attributes.id}: first byte after ${(a.first - a.at).toFixed(0)} ms, last after ` +
				`${(a.done - a.at).toFixed(0)}`);
	}
}

// What is said of a Period stays, and so does what stands around them: they come and go at their ends. The rate is measured.
function constant(seen, text, say) {
	const looks = text.replace(/(bandwidth|publishTime)="[^"]*"/g, ''), now = new Map();
	const frame = looks.replace(/<Period id="([^"]*)"[\s\S]*?<\/Period>/g, (period, id) => {
		now.set(id, period);
		return '';
	}).replace(/\s+/g, ' ');
	const last = [...now.keys()].at(-1);

	if (seen.frame !== null && frame !== seen.frame)
		say('mpd-constant', 'another text around the Periods');
	for (const [id, period] of now)
		if ((seen.periods.get(id) ?? period) !== period)
			say('mpd-constant', `Period ${id} has another text`);
	if (seen.gone?.has(last))
		say('mpd-constant', `Period ${last} is there again`);
	seen.gone = new Set([...seen.gone ?? [], ...[...seen.periods.keys()].filter((id) => !now.has(id))]);
	seen.frame = frame;
	seen.periods = now;
}

// restart_ms: the origin may be away for so long at a time, and need not have what should have been made meanwhile.
export async function dash(client, url, seconds_, breach, restart_ms) {
	const say = (rule, what) => breach(rule, 'MPD', what), end = performance.now() + seconds_ * 1000;
	const seen = { frame: null, periods: new Map() };
	let n = 0, well = performance.now();
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
			constant(seen, a.body.toString(), say);
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
