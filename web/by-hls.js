// Playing by hls.js: the blocking playlists and the parts of LL-HLS, or, whatever else plays live, what is past. Where there is
// no MSE at all (old iPhones) the browser's own player reads the same playlists.

import { script } from './load.js';

// Quick and patient: a packager that restarts is back within seconds.
const policy = (timeout) => ({
	default: {
		maxTimeToFirstByteMs: timeout, maxLoadTimeMs: 2 * timeout,
		timeoutRetry: { maxNumRetry: 2, retryDelayMs: 0, maxRetryDelayMs: 0 },
		errorRetry: { maxNumRetry: 4, retryDelayMs: 250, maxRetryDelayMs: 1000, backoff: 'linear' },
	},
});

const settings = {
	lowLatencyMode: true,
	maxLiveSyncPlaybackRate: 1,	// keep.js does it: hls.js only catches up to one second of buffer
	liveSyncOnStallIncrease: 0.1,
	testBandwidth: false,		// it costs a segment's time before the first picture
	abrEwmaDefaultEstimate: 5e6,
	maxBufferLength: 10,
	manifestLoadPolicy: policy(5000),
	playlistLoadPolicy: policy(6000),
	fragLoadPolicy: policy(6000),
};
// What is past is whole segments, and nothing is to be kept close to.
const past = { ...settings, lowLatencyMode: false, maxBufferLength: 20, maxMaxBufferLength: 20, maxBufferSize: 4e6 };
const MEDIA_ERROR_MS = 5000;	// a second one within it is not recovered from, but begun anew

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replace(/=/g, '').replace(/\+/g, '-').replace(/\//g, '_');

// Streams that are encrypted by cbcs, by ClearKey: the license beside the playlist has all keys, so a key is known by its id
// before an init segment names it. hls.js cannot play where EXT-X-KEY gives the key itself too.
function encryption() {
	return {
		pLoader: class extends Hls.DefaultConfig.loader {
			load(context, config, callbacks) {
				super.load(context, config, { ...callbacks, onSuccess(answer, ...rest) {
					if (answer.data.includes?.('KEYFORMAT="org.w3.clearkey"'))
						answer.data = answer.data.replace(/^#EXT-X-KEY:.*KEYFORMAT="identity".*\n/gm, '');
					callbacks.onSuccess(answer, ...rest);
				} });
			}
		},
		emeEnabled: true,
		licenseXhrSetup: (xhr, url) => xhr.open('GET', url),
		drmSystems: { 'org.w3.clearkey': {
			licenseUrl: new URL('license', location.href).href,
			generateRequest: (type, data, context) => ({ initDataType: 'keyids', initData: new TextEncoder().encode(
				JSON.stringify({ kids: [base64url(context.decryptdata.keyId)] })).buffer }),
		} },
	};
}

export class Player {
	hand = 0.3;	// s, see keep.js
	#hls = null;
	#host;
	#mediaError = -Infinity;

	constructor(host) {
		this.#host = host;
	}

	async start() {
		const host = this.#host;

		await script('hls.min.js');
		const live = Number.isNaN(host.at), url = live ? 'index.m3u8' : `index.m3u8?t=${(host.at / 1000).toFixed(3)}`;

		if (!Hls.isSupported()) {
			host.video.src = url;
			host.video.textTracks.onaddtrack = () => this.#texts();
			return;
		}
		const hls = this.#hls = new Hls({ ...live ? settings : past, ...encryption() });

		hls.on(Hls.Events.ERROR, (_, e) => this.#failed(e));
		hls.on(Hls.Events.MANIFEST_PARSED, () => host.qualities(
			hls.levels.map((l) => ({ height: l.height, bitrate: l.bitrate }))));
		hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => host.sounds(
			hls.audioTracks.map((t) => ({ label: t.name, lang: t.lang })), Math.max(0, hls.audioTrack)));
		hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => this.#texts());
		host.video.textTracks.onaddtrack = () => this.#texts();
		hls.loadSource(url);
		hls.attachMedia(host.video);
	}

	stop() {
		this.#hls?.destroy();
		this.#hls = null;
		this.#host.video.textTracks.onaddtrack = null;
		this.#host.video.removeAttribute('src');
	}

	choose(i) {
		if (this.#hls)
			this.#hls.currentLevel = i;
	}

	chooseSound(i) {
		if (this.#hls)
			this.#hls.audioTrack = i;
	}

	// -1: none.
	chooseText(i) {
		const hls = this.#hls, n = hls?.subtitleTracks.length ?? 0;

		if (hls)
			hls.subtitleTrack = i < n ? i : -1;
		this.#inPicture().forEach((t, k) => { t.mode = n + k === i ? 'showing' : 'hidden'; });
	}

	// To another instant of what is past, if it is listed. ms.
	seek(ms) {
		const video = this.#host.video, to = video.currentTime + (ms - this.pictureMs) / 1000, s = video.seekable;

		if (!(s.length && to >= s.start(0) && to <= s.end(s.length - 1)))
			return false;
		video.currentTime = to;
		return true;
	}

	// UTC of the picture, ms.
	get pictureMs() {
		return (this.#hls?.playingDate ?? this.#host.video.getStartDate?.())?.getTime() ?? NaN;
	}

	get bitrate() {
		return this.#hls?.levels?.[this.#hls.currentLevel]?.bitrate;
	}

	// Where the stream goes on behind a gap that the packager tells of; NaN when there is none or it is not over yet.
	// hls.js jumps over small holes only.
	get behindGap() {
		const hls = this.#hls, details = hls?.latestLevelDetails ?? hls?.levels[hls.loadLevel]?.details;
		const gap = details?.fragments.filter((f) => f.gap).pop();

		return gap && this.#host.video.currentTime < gap.end && details.edge > gap.end ? gap.end + 0.05 : NaN;
	}

	// Captions that are found in the pictures (CEA-608), or all that the browser's own player has.
	#inPicture() {
		const told = (this.#hls?.subtitleTracks ?? []).map((t) => t.name);

		return [...this.#host.video.textTracks].filter((t) => !told.includes(t.label) &&
			(t.kind === 'captions' || (!this.#hls && t.kind === 'subtitles')));
	}

	#texts() {
		this.#host.texts([...this.#hls?.subtitleTracks ?? [], ...this.#inPicture()].map((t) => (
			{ label: t.name || t.label, lang: t.lang ?? t.language })));
	}

	#failed(e) {
		const now = performance.now();

		if (e.fatal && e.type === Hls.ErrorTypes.MEDIA_ERROR && now - this.#mediaError > MEDIA_ERROR_MS) {
			this.#mediaError = now;
			this.#hls.recoverMediaError();
			this.#host.failed(`${e.type}/${e.details}`, false);
		} else {
			this.#host.failed(`${e.type}/${e.details}`, e.fatal);
		}
	}
}
