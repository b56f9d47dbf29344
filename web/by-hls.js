// Playing by hls.js: the blocking playlists and the parts of LL-HLS. Where there is no MSE at all (old iPhones) the
// browser's own player reads the same playlists.

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
		if (!Hls.isSupported()) {
			host.video.src = 'index.m3u8';
			return;
		}
		const hls = this.#hls = new Hls({ ...settings, ...encryption() });

		hls.on(Hls.Events.ERROR, (_, e) => this.#failed(e));
		hls.on(Hls.Events.MANIFEST_PARSED, () => host.qualities(
			hls.levels.map((l) => ({ height: l.height, bitrate: l.bitrate }))));
		hls.loadSource('index.m3u8');
		hls.attachMedia(host.video);
	}

	stop() {
		this.#hls?.destroy();
		this.#hls = null;
		this.#host.video.removeAttribute('src');
	}

	choose(i) {
		if (this.#hls)
			this.#hls.currentLevel = i;
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
