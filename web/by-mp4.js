// Playing live.mp4 by Media Source Extensions alone: each frame goes into the buffer as it comes. One request for as long
// as it plays; another quality is another file, which goes on where this one is.

import { Adapter } from './adapt.js';

const KEEP = 10, TRIM = 20;		// s behind the picture: kept, and when the rest is taken away
const ADAPT_MS = 250;
const TRY_TIMEOUT_MS = 8000;

const type = (codecs) => `video/mp4; codecs="${codecs}"`;
const attribute = (line, name) => line.match(new RegExp(`[:,]${name}=(?:"([^"]*)"|([^,]*))`))?.slice(1).find((v) => v);
const folder = (uri) => uri?.replace(/\/index\.m3u8.*/, '');

// The renditions that Source can play, best first, each with its sound, as the multivariant playlist tells.
async function readList(Source, signal) {
	const answer = await fetch('index.m3u8', { cache: 'no-cache', signal });
	const lines = answer.ok ? (await answer.text()).split('\n') : [];
	const sound = lines.filter((l) => l.startsWith('#EXT-X-MEDIA:') && l.includes('TYPE=AUDIO'));
	const soundOf = (group) => sound.filter((l) => attribute(l, 'GROUP-ID') === group).map((l) => ({
		name: folder(attribute(l, 'URI')), label: attribute(l, 'NAME'), lang: attribute(l, 'LANGUAGE'), standard: l.includes('DEFAULT=YES'),
	}));
	const all = lines.flatMap((l, i) => (l.startsWith('#EXT-X-STREAM-INF:') ? [{
		name: folder(lines[i + 1]), codecs: attribute(l, 'CODECS'), bitrate: Number(attribute(l, 'BANDWIDTH')),
		height: Number(attribute(l, 'RESOLUTION')?.split('x')[1] ?? 0), sounds: soundOf(attribute(l, 'AUDIO')),
	}] : [])).filter((r) => Source.isTypeSupported(type(r.codecs)));

	if (!all.length)
		throw new Error(answer.ok ? 'this browser plays none of the codecs' : `no renditions (${answer.status})`);
	// With sound of another codec a rendition stands twice.
	const list = all.filter((r, i) => all.findIndex((o) => o.name === r.name) === i);

	return list.sort((a, b) => b.bitrate - a.bitrate);
}

// bit/s at which the newest whole segment of a rendition comes.
async function tryOut(name, signal) {
	const list = await (await fetch(`${name}/index.m3u8`, { signal })).text();
	const newest = list.split('\n').filter((l) => l && !l.startsWith('#')).pop();
	const began = performance.now();
	const bytes = (await (await fetch(`${name}/${newest}`, { cache: 'no-store', signal })).arrayBuffer()).byteLength;

	return 8000 * bytes / (performance.now() - began);
}

const done = (target, event) => new Promise((ok) => target.addEventListener(event, ok, { once: true }));

export class Player {
	hand = 0.08;
	#host;
	#ended = new AbortController();
	#file = null;		// the AbortController of the file that is being read
	#list = [];
	#buffer = null;
	#at = 0;		// of #list
	#chosen = -1;
	#sound = -1;		// of the rendition's; -1: the standard one
	#adapter = null;
	#trying = false;
	#timer = 0;

	constructor(host) {
		this.#host = host;
	}

	async start() {
		const host = this.#host, Source = window.ManagedMediaSource ?? window.MediaSource;

		if (!Source)
			throw new Error('this browser has no Media Source Extensions');
		this.#list = await readList(Source, this.#ended.signal);
		this.#adapter = new Adapter(this.#list, host.video.clientHeight * devicePixelRatio, performance.now());
		this.#at = this.#adapter.at;
		const source = new Source(), url = URL.createObjectURL(source);

		host.video.disableRemotePlayback = true;
		host.video.src = url;
		await done(source, 'sourceopen');
		URL.revokeObjectURL(url);
		this.#buffer = source.addSourceBuffer(type(this.#list[this.#at].codecs));
		host.qualities(this.#list);
		host.sounds(this.#list[this.#at].sounds, Math.max(0, this.#list[this.#at].sounds.findIndex((s) => s.standard)));
		host.texts([]);
		this.#timer = setInterval(() => this.#adapt(), ADAPT_MS);
		this.#run();
	}

	stop() {
		clearInterval(this.#timer);
		this.#ended.abort();
		this.#file?.abort();
		this.#host.video.removeAttribute('src');
		this.#host.video.load();
	}

	choose(i) {
		this.#chosen = i;
		this.#go(i < 0 ? this.#at : i);
	}

	chooseSound(i) {
		this.#sound = i;
		this.#file?.abort();
	}

	stalled() {
		this.#adapter?.stalled(performance.now());
	}

	get pictureMs() {
		return this.#host.video.currentTime * 1000 || NaN;
	}

	get bitrate() {
		return this.#list[this.#at]?.bitrate;
	}

	get behindGap() {
		const b = this.#host.video.buffered;

		return b.length && b.start(b.length - 1) > this.#host.video.currentTime ? b.start(b.length - 1) + 0.01 : NaN;
	}

	#go(i) {
		if (i === this.#at)
			return;
		this.#at = i;
		if (this.#adapter.at !== i)
			this.#adapter.at = i;
		this.#file?.abort();
	}

	#adapt() {
		const now = performance.now(), video = this.#host.video, b = this.#buffer.buffered;

		if (this.#chosen >= 0 || !b.length || document.hidden)
			return;
		const { totalVideoFrames: shown, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality();

		this.#go(this.#adapter.turn(now, this.#host.clock.now / 1000 - b.end(b.length - 1), shown, dropped));
		const better = this.#adapter.wants(now);
		if (better >= 0 && !this.#trying)
			this.#try(better);
	}

	async #try(i) {
		let bps = 0;

		this.#trying = true;
		try {
			bps = await tryOut(this.#list[i].name, AbortSignal.any([this.#ended.signal, AbortSignal.timeout(TRY_TIMEOUT_MS)]));
		} catch {
			// as good as none
		}
		this.#trying = false;
		if (!this.#ended.signal.aborted && this.#chosen < 0)
			this.#go(this.#adapter.tried(performance.now(), bps));
	}

	// File after file, until stop() or an error that is not a change of quality.
	async #run() {
		while (!this.#ended.signal.aborted) {
			const file = this.#file = new AbortController();

			try {
				await this.#play(file.signal);
			} catch (e) {
				if (!file.signal.aborted)
					this.#host.failed(`mp4/${e.message}`, true);
				if (!file.signal.aborted)
					return;
			}
		}
	}

	async #play(signal) {
		const { name, codecs, sounds } = this.#list[this.#at];
		const audio = sounds[this.#sound] ?? sounds.find((s) => s.standard) ?? sounds[0];
		const sound = audio ? `&audio=${encodeURIComponent(audio.name)}` : '';
		const answer = await fetch(`live.mp4?rendition=${encodeURIComponent(name)}${sound}`, { signal });

		if (!answer.ok)
			throw new Error(`status ${answer.status}`);
		const body = answer.body.getReader();

		this.#buffer.abort();	// half a fragment of the file before
		this.#buffer.changeType(type(codecs));
		for (;;) {
			const { value, done: end } = await body.read();

			if (end)
				return;
			await this.#append(value);
		}
	}

	async #append(bytes) {
		const buffer = this.#buffer, video = this.#host.video;

		buffer.appendBuffer(bytes);
		await done(buffer, 'updateend');
		if (!buffer.buffered.length)
			return;
		const first = buffer.buffered.start(0), end = buffer.buffered.end(buffer.buffered.length - 1);

		if (video.currentTime < first)
			video.currentTime = Math.max(buffer.buffered.start(buffer.buffered.length - 1), end - this.hand);
		if (video.currentTime - first > TRIM) {
			buffer.remove(0, video.currentTime - KEEP);
			await done(buffer, 'updateend');
		}
	}
}
