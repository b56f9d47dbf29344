// Playing by dash.js: the chunks of the segment in progress, as they are made. It is loaded when it is chosen.

import { script } from './load.js';

const START_DELAY = 0.5;	// s behind the source; what is in hand then is keep.js's matter
const STALL = 0.02;		// s of buffer that is as good as none

const settings = {
	streaming: {
		applyServiceDescription: false,
		delay: { liveDelay: START_DELAY },
		liveCatchup: { enabled: false },	// keep.js does it, by what is in hand and not by the clock
		buffer: { setStallState: false, stallThreshold: STALL, lowLatencyStallThreshold: STALL, bufferToKeep: 10 },
		utcSynchronization: { defaultTimingSource: { value: 'time' } },	// no request leaves the host
		timeShiftBuffer: { calcFromSegmentTimeline: false },
		lastBitrateCachingInfo: { enabled: false },
		lastMediaSettingsCachingInfo: { enabled: false },
	},
};

export class Player {
	hand = 0.12;
	#dash = null;
	#host;

	constructor(host) {
		this.#host = host;
	}

	async start() {
		const host = this.#host;

		await script('dash.min.js');
		const player = this.#dash = dashjs.MediaPlayer().create(), on = dashjs.MediaPlayer.events;

		player.initialize();
		player.updateSettings(settings);
		player.on(on.STREAM_INITIALIZED, () => host.qualities(
			player.getRepresentationsByType('video').map((r) => ({ height: r.height, bitrate: r.bandwidth }))));
		player.on(on.STREAM_INITIALIZED, () => {
			const all = player.getTracksFor('audio'), now = player.getCurrentTrackFor('audio');

			host.sounds(all.map((t) => ({ label: t.labels?.[0]?.text, lang: t.lang })), Math.max(0, all.findIndex((t) => t.index === now?.index)));
		});
		player.on(on.TEXT_TRACKS_ADDED, (e) => host.texts(e.tracks.map((t) => ({ label: t.labels?.[0]?.text ?? t.id, lang: t.lang }))));
		player.on(on.ERROR, (e) => host.failed(`dash/${e.error?.code} ${e.error?.message ?? ''}`, true));
		player.setAutoPlay(true);
		player.attachView(host.video);
		player.attachSource(new URL('manifest.mpd', location.href).href);
	}

	stop() {
		this.#dash?.destroy();
		this.#dash = null;
	}

	choose(i) {
		this.#dash?.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: i < 0 } } } });
		if (i >= 0)
			this.#dash?.setRepresentationForTypeByIndex('video', i);
	}

	chooseSound(i) {
		const track = this.#dash?.getTracksFor('audio')[i];

		if (track)
			this.#dash.setCurrentTrack(track);
	}

	chooseText(i) {
		this.#dash?.setTextTrack(i);
	}

	// The media's time is UTC.
	get pictureMs() {
		return this.#dash && this.#host.video.currentTime ? this.#host.video.currentTime * 1000 : NaN;
	}

	get bitrate() {
		return this.#dash?.getCurrentRepresentationForType?.('video')?.bandwidth;
	}

	get behindGap() {
		return NaN;
	}
}
