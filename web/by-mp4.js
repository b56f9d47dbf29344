// Playing live.mp4 by Media Source Extensions alone: each frame goes into the buffer as it comes. One request for as long
// as it plays; another quality is another file, which goes on where this one is.

const KEEP = 10, TRIM = 20;		// s behind the picture: kept, and when the rest is taken away
const STALLS = 3, STALLS_MS = 20000;	// so many in so long: one quality less
const BETTER_MS = 60000;		// so long without one: one more

const attribute = (line, name) => line.match(new RegExp(`[:,]${name}=(?:"([^"]*)"|([^,]*))`))?.slice(1).find((v) => v);
const folder = (uri) => uri?.replace(/\/index\.m3u8.*/, '');

// The renditions, best first, and the sound, as the multivariant playlist tells.
async function readList(signal) {
	const answer = await fetch('index.m3u8', { cache: 'no-cache', signal });
	const lines = answer.ok ? (await answer.text()).split('\n') : [];
	const sound = lines.filter((l) => l.startsWith('#EXT-X-MEDIA:') && l.includes('TYPE=AUDIO'));
	const audio = sound.find((l) => l.includes('DEFAULT=YES')) ?? sound[0];
	const list = lines.flatMap((l, i) => (l.startsWith('#EXT-X-STREAM-INF:') ? [{
		name: folder(lines[i + 1]), codecs: attribute(l, 'CODECS'), bitrate: Number(attribute(l, 'BANDWIDTH')),
		height: Number(attribute(l, 'RESOLUTION')?.split('x')[1] ?? 0),
	}] : []));

	if (!list.length)
		throw new Error(`no renditions (${answer.status})`);
	return { list: list.sort((a, b) => b.bitrate - a.bitrate), audio: folder(audio && attribute(audio, 'URI')) };
}

const done = (target, event) => new Promise((ok) => target.addEventListener(event, ok, { once: true }));

export class Player {
	hand = 0.08;
	#host;
	#ended = new AbortController();
	#file = null;		// the AbortController of the file that is being read
	#list = [];
	#audio = null;
	#buffer = null;
	#at = 0;		// of #list
	#chosen = -1;
	#stalls = [];
	#since = performance.now();
	#timer = 0;

	constructor(host) {
		this.#host = host;
	}

	async start() {
		const host = this.#host, Source = window.ManagedMediaSource ?? window.MediaSource;

		if (!Source)
			throw new Error('this browser has no Media Source Extensions');
		({ list: this.#list, audio: this.#audio } = await readList(this.#ended.signal));
		const source = new Source(), url = URL.createObjectURL(source);

		host.video.disableRemotePlayback = true;
		host.video.src = url;
		await done(source, 'sourceopen');
		URL.revokeObjectURL(url);
		this.#buffer = source.addSourceBuffer(`video/mp4; codecs="${this.#list[0].codecs}"`);
		host.qualities(this.#list);
		this.#timer = setInterval(() => this.#adapt(), 1000);
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

	stalled() {
		this.#stalls.push(performance.now());
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
		this.#since = performance.now();
		this.#stalls = [];
		this.#file?.abort();
	}

	#adapt() {
		const now = performance.now();

		if (this.#chosen >= 0)
			return;
		this.#stalls = this.#stalls.filter((t) => now - t < STALLS_MS);
		if (this.#stalls.length >= STALLS && this.#at + 1 < this.#list.length)
			this.#go(this.#at + 1);
		else if (!this.#stalls.length && now - this.#since > BETTER_MS && this.#at > 0)
			this.#go(this.#at - 1);
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
		const { name, codecs } = this.#list[this.#at];
		const sound = this.#audio ? `&audio=${encodeURIComponent(this.#audio)}` : '';
		const answer = await fetch(`live.mp4?rendition=${encodeURIComponent(name)}${sound}`, { signal });

		if (!answer.ok)
			throw new Error(`status ${answer.status}`);
		const body = answer.body.getReader();

		this.#buffer.abort();	// half a fragment of the file before
		this.#buffer.changeType(`video/mp4; codecs="${codecs}"`);
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
