// play: a player that does everything the drafts allow it to, on one presentation, and holds each answer against rules.mjs.
// Per media playlist one loop of blocking reloads with the hinted part beside it, and the media of each new segment;
// now and then the questions that only a checker asks.

import { performance } from 'node:perf_hooks';

import { Bad, init as readInit, media } from './boxes.mjs';
import { merge, parse } from './m3u8.mjs';
import * as check from './rules.mjs';
import * as texts from './texts.mjs';

const wait = (ms) => new Promise((r) => { setTimeout(r, ms); });
const isType = (t) => /^(application\/vnd\.apple\.mpegurl|audio\/mpegurl)(;|$)/i.test(t ?? '');
const maxAge = (a) => Number(/max-age=(\d+)/.exec(a.headers['cache-control'] ?? '')?.[1] ?? 0);
const path = (url) => new URL(url).pathname.split('/').slice(-2).join('/');

// How much later than the rules allow a machine with other work may be, ms.
const slack_usual_ms = 400;
export const slack_ms = Number(process.env.GEX_SLACK_MS ?? slack_usual_ms);

export class Player {
	// breach(rule, where, what) is told each breach. restarts: connections may be refused for this long, ms.
	constructor(client, url, { breach, restart_ms = 0, origin_restarts = false }) {
		this.client = client;
		this.url = url;
		this.breach = breach;
		this.restart_ms = restart_ms;
		this.mayForget = origin_restarts; // what was before a restart need not be there any more
		this.renditions = [];
		this.texts = [];
		this.inits = new Map();
		this.counts = { playlists: 0, parts: 0, segments: 0, gaps: 0, discontinuities: 0, hints: 0, refused: 0, left_out: 0, maps: new Set() };
		this.over = false;
		this.tails = [];
	}

	say(where) {
		return (rule, what) => this.breach(rule, where, what);
	}

	// get: as client.get, but patient while the origin restarts. Null: the end has come first.
	async get(url, options) {
		const since = performance.now();

		while (!this.over) {
			try {
				const a = await this.client.get(url, options);
				const starting = a.status === 503 && this.restart_ms;
				if (!starting || performance.now() - since > this.restart_ms)
					return a;
			} catch (e) {
				this.counts.refused++;
				this.refusedAt = performance.now();
				if (performance.now() - since > this.restart_ms) {
					if (!this.over)
						this.breach('reachable', path(url), e.message);
					return null;
				}
			}
			await wait(100);
		}
		return null;
	}

	async run(seconds) {
		this.end = performance.now() + seconds * 1000;
		await this.begin();
		await Promise.all([...this.renditions.map((r) => this.follow(r)), ...this.texts.map((r) => texts.follow(this, r)), this.ask()]);
		this.over = true;
		await Promise.allSettled(this.tails);
		return this.counts;
	}

	// An origin that has nothing to serve yet says 503.
	async begin() {
		const until = performance.now() + 20000;
		let a = await this.get(this.url);

		while (a?.status === 503 && performance.now() < until) {
			await wait(200);
			a = await this.get(this.url);
		}
		if (a?.status !== 200) {
			this.breach('status', path(this.url), `${a?.status}`);
			return;
		}
		const list = parse(a.body.toString());
		check.multivariant(list, this.say('multivariant'));
		this.headers(a, 'multivariant');
		const media = list.media.filter((m) => m.URI), isText = (m) => m.TYPE === 'SUBTITLES';
		const uris = [...list.variants.map((v) => v.uri), ...media.filter((m) => !isText(m)).map((m) => m.URI)];
		const named = (uri) => {
			const url = new URL(uri, this.url).href;
			return { name: path(url).split('/')[0], url, list: null, got: new Map(), due: null };
		};
		this.renditions = [...new Set(uris)].map(named);
		this.texts = media.filter(isText).map((m) => named(m.URI));
		this.iframes = list.iframes.map((i) => new URL(i.URI ?? '', this.url).href);
	}

	headers(a, where) {
		if (!isType(a.headers['content-type']))
			this.breach('type', where, `Content-Type: ${a.headers['content-type']}`);
		if (a.headers['access-control-allow-origin'] !== '*')
			this.breach('type', where, `Access-Control-Allow-Origin: ${a.headers['access-control-allow-origin']}`);
	}

	// ---- playlists ----

	async follow(r) {
		const a = await this.get(r.url);

		if (a)
			this.take(r, a, null, []);
		while (r.list && !r.list.ended && performance.now() < this.end && !this.over)
			if (!await this.reload(r))
				break;
	}

	target(r) {
		return Number(r.list.header.TARGETDURATION) * 1000;
	}

	partTarget(r) {
		return Number(r.list.header['PART-INF']?.['PART-TARGET'] ?? 1) * 1000;
	}

	async reload(r) {
		const e = check.edge(r.list), before = this.others(r);
		const restarts = this.counts.refused;
		this.hinted(r);
		const a = await this.get(`${r.url}?_HLS_msn=${e[0]}&_HLS_part=${e[1] + 1}`);

		if (!a)
			return false;
		if (a.status !== 200) {
			this.breach(a.status === 503 ? 'block-long' : 'status', r.name, `${a.status} to msn ${e[0]}, part ${e[1] + 1}`);
			await wait(500);
			return true;
		}
		const ms = a.done - a.at;
		if (ms > 3 * this.target(r) + slack_ms)
			this.breach('block-long', r.name, `held for ${ms.toFixed(0)} ms`);
		this.take(r, a, e, restarts === this.counts.refused ? before : []);
		if (!maxAge(a) && check.edge(r.list).join() === [e[0], e[1] + 1].join())
			this.breach('cache', r.name, `a blocked answer: Cache-Control: ${a.headers['cache-control']}`);
		return true;
	}

	others(r) {
		return this.renditions.filter((o) => o !== r && o.list).map((o) => ({ url: o.url, edge: check.edge(o.list) }));
	}

	// take: A is an answer for R; asked: the segment and part that it must hold.
	take(r, a, asked, others) {
		const say = this.say(r.name);

		this.counts.playlists++;
		if (a.status !== 200) {
			say('status', `${a.status}`);
			return;
		}
		const list = parse(a.body.toString());
		this.headers(a, r.name);
		check.one(list, say);
		texts.ranges(list, say);
		for (const o of this.renditions)
			if (o.list)
				texts.sameRanges(o.list, list, o === r ? 'daterange-kept' : 'daterange-same', say);
		if (asked && !list.ended) {
			const e = check.edge(list);
			if (e[0] < asked[0] || (e[0] === asked[0] && e[1] < asked[1] + 1))
				say('block', `asked for ${asked[0]}.${asked[1] + 1}, got the list up to ${e}`);
		}
		if (list.skipped)
			say('skip', 'a delta update that nobody asked for');
		if (!list.ended)
			check.reports(list, r.url, this.renditions.every((o) => o.list) ? others : [], say);
		if (r.list) {
			check.two(r.list, list, this.forgiving(say));
			this.pace(r, list, a, say);
		}
		r.list = list;
		r.at = a.done;
		check.together(this.renditions.filter((o) => o.list), this.say('presentation'));
		this.tails.push(this.fetchMedia(r, list));
	}

	// An origin that was started again has only what came since.
	forgiving(say) {
		const forgets = this.mayForget && this.refusedAt && performance.now() - this.refusedAt < 2 * this.restart_ms;

		return (rule, what) => (forgets && ['window', 'msn-old', 'stays', 'continuous', 'skip'].includes(rule) ? null : say(rule, what));
	}

	pace(r, list, a, say) {
		const moved = check.edge(list).join() !== check.edge(r.list).join();
		const allowed = this.partTarget(r) + this.restart_ms + slack_ms;

		if (moved && r.moved && a.done - r.moved > allowed && this.counts.refused === r.refused)
			say('part-pace', `${(a.done - r.moved).toFixed(0)} ms after the last`);
		if (moved)
			r.moved = a.done;
		r.refused = this.counts.refused;
	}

	// The hinted part, asked for at once: it must come whole when it is there, and be the one that is listed then.
	hinted(r) {
		const hint = r.list.hints.find((h) => h.TYPE === 'PART');
		const url = hint && new URL(hint.URI, r.url).href;

		if (!hint || r.got.has(url) || hint['BYTERANGE-START'])
			return;
		r.got.set(url, this.client.get(url).then((a) => {
			const spread = a.reads.length > 2 ? a.reads.at(-1) - a.reads[0] : 0;
			this.counts.hints++;
			if (a.status === 200 && spread > Math.max(0.6 * this.partTarget(r), 60) + slack_ms - slack_usual_ms)
				this.breach('dribble', r.name, `${path(url)} came over ${spread.toFixed(0)} ms`);
			return a;
		}).catch(() => null));
	}

	// ---- media ----

	// part: an answer for URL, of the hint or asked for now.
	async part(r, url) {
		const early = await r.got.get(url);

		if (early?.status === 200)
			return early;
		return this.get(url);
	}

	async track(r, uri) {
		const url = new URL(uri, r.url).href;

		if (!this.inits.has(url)) {
			this.counts.maps.add(url);
			this.inits.set(url, this.get(url).then((a) => {
				if (a?.status !== 200)
					throw new Bad(`${a?.status} for ${path(url)}`);
				return readInit(a.body);
			}));
		}
		return this.inits.get(url);
	}

	// Each complete segment with parts once: its parts, itself, and both against what the playlist says.
	async fetchMedia(r, list) {
		for (const s of list.segments) {
			if (r.done?.has(s.msn) || !(s.complete || list.ended))
				continue;
			r.done ??= new Set();
			r.done.add(s.msn);
			this.counts.gaps += s.gap;
			this.counts.discontinuities += s.discontinuity;
			if (s.gap || !s.parts.length || this.over)
				continue;
			try {
				await this.segment(r, s);
			} catch (e) {
				if (!(e instanceof Bad))
					throw e;
				this.breach('boxes', r.name, `segment ${s.msn}: ${e.message}`);
			}
			this.forget(r);
		}
	}

	forget(r) {
		while (r.got.size > 64)
			r.got.delete(r.got.keys().next().value);
	}

	async segment(r, s) {
		const track = await this.track(r, s.map), bytes = [];
		const whole = this.get(new URL(s.uri, r.url).href);
		let at = r.due?.msn === s.msn - 1 && !s.discontinuity ? r.due.end : null;

		for (const x of s.parts) {
			const a = await this.part(r, new URL(x.uri, r.url).href);
			if (!a || (a.status !== 200 && this.counts.refused && this.mayForget))
				return;
			if (a.status !== 200) {
				this.breach('status', r.name, `${a.status} for ${x.uri}, which is listed`);
				return;
			}
			this.counts.parts++;
			bytes.push(a.body);
			at = this.against(r, x.uri, x, a.body, track, at);
		}
		const a = await whole;
		if (!a || (a.status !== 200 && this.counts.refused && this.mayForget))
			return;
		if (a.status !== 200) {
			this.breach('status', r.name, `${a.status} for ${s.uri}, which is listed`);
			return;
		}
		this.counts.segments++;
		if (!a.body.equals(Buffer.concat(bytes)))
			this.breach('part-bytes', r.name, `${s.uri}: ${a.body.length} bytes, its parts ${Buffer.concat(bytes).length}`);
		if (maxAge(a) < 60)
			this.breach('cache', r.name, `a segment: Cache-Control: ${a.headers['cache-control']}`);
		const independent = 'INDEPENDENT-SEGMENTS' in r.list.header;
		this.against(r, s.uri, { duration: s.duration, independent }, a.body, track, null);
		r.due = { msn: s.msn, end: at };
	}

	// against: the samples of BODY and what the playlist said of them; where they end, in the track's units.
	against(r, uri, told, body, track, due) {
		const m = media(body, track), lasts = (m.end - m.start) / track.timescale;

		if (Math.abs(lasts - told.duration) > 0.0015)
			this.breach('duration', r.name, `${uri} lasts ${lasts.toFixed(6)} s, not ${told.duration}`);
		if (told.independent && !m.sync)
			this.breach('independent', r.name, `${uri} begins with no sync sample`);
		const off = due === null ? 0 : (m.start - due) / track.timescale;
		const left_out = off > 0 && /\.0\.m4s$/.test(uri) && this.leftOut(r, off, m.frame / track.timescale);
		if (off && !left_out)
			this.forgiving(this.say(r.name))('continuous', `${uri} begins ${off} s off`);
		return m.end;
	}

	// Pictures that an encoder left out at the end of a segment: whole frames, less than a part. What came before them has been
	// sent and cannot last longer, and the next segment cannot begin before its time; everywhere else there is no hole.
	leftOut(r, off, frame) {
		const n = off / frame, video = !/audio/.test(r.name);

		this.counts.left_out += Math.round(n);
		return video && 1000 * off < this.partTarget(r) && Math.abs(n - Math.round(n)) < 0.05;
	}

	// ---- questions ----

	async ask() {
		const questions = [this.askMissing, this.askFar, this.askOld, this.askUnknown, this.askGzip, this.askSkip, this.askIframes, this.askStays];

		for (let i = 0; performance.now() < this.end - 500 && this.renditions.length; i++) {
			await wait(150);
			const r = this.renditions[Math.floor(i / questions.length) % this.renditions.length];
			if (!r.list || r.list.ended)
				continue;
			await questions[i % questions.length].call(this, r);
		}
	}

	async expect(url, status, rule, where) {
		const a = await this.get(url);

		if (a && a.status !== status)
			this.breach(rule, where, `${a.status} to ${url.split('/').slice(-2).join('/')}`);
		if (a && status >= 400 && a.done - a.at > 1000 + slack_ms)
			this.breach(rule, where, `${status} only after ${(a.done - a.at).toFixed(0)} ms`);
		if (a && status >= 400 && maxAge(a) > 10)
			this.breach('cache', where, `a ${status}: Cache-Control: ${a.headers['cache-control']}`);
		return a;
	}

	async askMissing(r) {
		await this.expect(`${r.url}?_HLS_part=0`, 400, 'msn-missing', r.name);
	}

	async askFar(r) {
		await this.expect(`${r.url}?_HLS_msn=${check.edge(r.list)[0] + 20}`, 400, 'msn-far', r.name);
	}

	async askOld(r) {
		const since = performance.now();
		const a = await this.expect(`${r.url}?_HLS_msn=${Number(r.list.header['MEDIA-SEQUENCE']) - 50}&_HLS_part=3`, 200,
			'msn-old', r.name);

		if (a && (parse(a.body.toString()).segments.length < Math.min(3, r.list.segments.length) || a.done - since > this.target(r) + slack_ms))
			this.forgiving(this.say(r.name))('msn-old', `${a.body.length} bytes after ${(a.done - since).toFixed(0)} ms`);
	}

	async askUnknown(r) {
		const e = check.edge(r.list);

		await this.expect(new URL(`no-such-thing.m4s`, r.url).href, 404, 'unknown', r.name);
		const s = r.list.segments.findLast((x) => x.parts.length);
		if (s)
			await this.expect(new URL(s.parts[0].uri.replace(/\d+(?=\.m4s)/, '4711'), r.url).href, 404, 'unknown',
				`${r.name}, ${e}`);
	}

	// A blocked answer never changes, so the same question gives the same text, compressed or not.
	async askGzip(r) {
		const e = check.edge(r.list), url = `${r.url}?_HLS_msn=${e[0]}&_HLS_part=${Math.max(e[1], 0)}`;
		const a = await this.get(url, { headers: { 'accept-encoding': 'gzip' } });

		if (!a || a.status !== 200)
			return;
		if (a.headers['content-encoding'] !== 'gzip') {
			this.breach('gzip', r.name, `Content-Encoding: ${a.headers['content-encoding']}`);
			return;
		}
		if (!/accept-encoding/i.test(a.headers.vary ?? ''))
			this.breach('gzip', r.name, `Vary: ${a.headers.vary}`);
		const { gunzipSync } = await import('node:zlib');
		const list = parse(gunzipSync(a.body).toString());
		if (list.faults.length || (r.list && check.edge(list)[0] < e[0]))
			this.breach('gzip', r.name, `it is not the playlist: ${list.faults[0]}`);
	}

	async askSkip(r) {
		const offered = r.list.header['SERVER-CONTROL']?.['CAN-SKIP-UNTIL'], old = r.list, e = check.edge(old);

		for (const version of ['YES', 'v2']) {
			const a = await this.get(`${r.url}?_HLS_msn=${e[0]}&_HLS_part=${e[1] + 1}&_HLS_skip=${version}`);
			if (!a || a.status !== 200)
				return;
			const list = parse(a.body.toString());
			if (!offered || list.ended) {
				if (list.skipped)
					this.breach('skip', r.name, 'a delta update, though none was offered');
				return;
			}
			this.delta(r, old, list, Number(offered));
		}
	}

	delta(r, old, list, offered) {
		const say = this.forgiving(this.say(r.name));
		const long = old.segments.reduce((t, s) => t + (s.duration ?? 0), 0);

		check.one(list, say);
		if (!list.skipped) {
			if (long > offered + 2 * Number(old.header.TARGETDURATION))
				say('skip', `nothing is skipped of ${long.toFixed(1)} s`);
			return;
		}
		const whole = merge(old, list);
		if (!whole) {
			say('skip', `${list.skip} skipped segments do not fit on ${old.segments.length}`);
			return;
		}
		const stays = list.segments.reduce((t, s) => t + (s.duration ?? 0), 0);
		if (stays < offered - 2 * Number(old.header.TARGETDURATION))
			say('skip', `${stays.toFixed(1)} s are left, nearer than ${offered} s must stay`);
		check.two(old, whole, say);
	}

	// The newest key frame by its byte range, of each such playlist in turn.
	async askIframes(r) {
		const url = this.iframes.shift();
		const a = url && await this.get(url);

		if (!a)
			return;
		this.iframes.push(url);
		const list = parse(a.body.toString()), say = this.say(path(url));
		const s = list.segments.findLast((x) => !x.gap);
		if (a.status !== 200 || list.faults.length || !('I-FRAMES-ONLY' in list.header) || !s?.range) {
			say('iframes', `${a.status}, ${list.faults[0] ?? 'no EXT-X-I-FRAMES-ONLY, or no byte range'}`);
			return;
		}
		const [n, from] = s.range.split('@').map(Number);
		const frame = await this.get(new URL(s.uri, url).href, { headers: { range: `bytes=${from}-${from + n - 1}` } });
		if (frame?.status !== 206 || frame.body.length !== n) {
			say('iframes', `${frame?.status} and ${frame?.body.length} bytes for ${s.range} of ${s.uri}`);
			return;
		}
		try {
			if (!media(frame.body, await this.track({ url }, s.map)).sync)
				say('iframes', `${s.range} of ${s.uri} begins with no sync sample`);
		} catch (e) {
			say('iframes', `${s.range} of ${s.uri}: ${e.message}`);
		}
	}

	// Parts that have left the list, and the oldest segment of it, can still be had.
	async askStays(r) {
		const target = this.target(r), list = r.list;
		const s = list.segments.findLast((x) => x.complete && x.parts.length);
		const oldest = list.segments.find((x) => x.complete && !x.gap);
		const restarts = this.counts.refused;

		if (!s || performance.now() + 6.5 * target > this.end)
			return;
		this.tails.push(wait(6 * target).then(async () => {
			for (const uri of [s.parts[0].uri, oldest.uri]) {
				const a = this.over ? null : await this.get(new URL(uri, r.url).href);
				if (a && a.status !== 200 && this.counts.refused === restarts)
					this.forgiving(this.say(r.name))('stays', `${a.status} for ${uri}, six target durations later`);
			}
		}));
	}
}
