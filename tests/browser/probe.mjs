// What runs inside the watched page: reads the clock off the <video>, and notes stalls and player errors.
// install(settle) is called before the page's own scripts; window.gexProbe.take() hands over what is new.

function install(settleMs) {
	const probe = {
		samples: [],	// [utc ms or null, latency ms, height], one a frame shown
		stalls: [],	// [begin, length in ms], in ms of performance.now()
		waiting: 0,	// `waiting` events after the settling time
		errors: [],
		cues: [],	// texts of tracks that are shown, each when it changes: [text, ms into its second of media]
		first: null,	// performance.now() at the first frame read
		video: null,
	};
	const canvas = document.createElement('canvas');
	let pen = null, moved = 0, at = -1, stalled = false, hooked = null, said = '';

	canvas.width = 256;
	canvas.height = 32;

	const settled = () => probe.first !== null && performance.now() - probe.first >= settleMs;

	function onFrame() {
		const v = probe.video, strip = v.videoHeight * 4 / ROWS;

		v.requestVideoFrameCallback(onFrame);
		pen ??= canvas.getContext('2d', { willReadFrequently: true });
		pen.drawImage(v, 0, 0, v.videoWidth, strip, 0, 0, 256, 32);
		const now = Date.now();
		const utc = readMark(pen.getImageData(0, 0, 256, 32).data, 256, 32, 4);
		if (utc !== null)
			probe.first ??= performance.now();
		probe.samples.push([utc, utc === null ? 0 : now - utc, v.videoHeight, settled()]);
	}

	// currentTime that stands for more than 100 ms is a stall, whatever the player says of it.
	function lookForStall() {
		const v = probe.video, now = performance.now();

		if (v.currentTime !== at) {
			if (stalled)
				probe.stalls.at(-1)[1] = now - moved;
			at = v.currentTime;
			moved = now;
			stalled = false;
		} else if (now - moved > 100 && settled()) {
			if (!stalled)
				probe.stalls.push([moved, 0]);
			stalled = true;
			probe.stalls.at(-1)[1] = now - moved;
		}
	}

	function hook(player) {
		hooked = player;
		if (player.addEventListener && player.rebuilds !== undefined)	// the page of gex-package
			player.addEventListener('error', (e) => probe.errors.push(
				`${e.detail.fatal ? 'fatal ' : ''}${e.detail.text}`));
		else if (player.constructor.Events && player.on)	// hls.js
			player.on('hlsError', (_, e) => probe.errors.push(
				`${e.fatal ? 'fatal ' : ''}${e.type}/${e.details}` +
				(e.error?.message ? ` (${e.error.message})` : '')));
		else if (player.on)				// dash.js
			player.on('error', (e) => probe.errors.push(`fatal dash ${e.error?.code} ${e.error?.message}`));
		else if (player.addEventListener)		// Shaka
			player.addEventListener('error', (e) => probe.errors.push(`shaka ${e.detail?.code}`));
	}

	// Segments begin with a second of the media's time; where the player has put that only it knows.
	function listen(v) {
		const cues = [...v.textTracks].filter((t) => t.mode === 'showing').flatMap((t) => [...t.activeCues ?? []]);
		const text = cues.map((c) => c.text).join('\n');
		const frag = hooked?.levels?.[Math.max(0, hooked.currentLevel)]?.details?.fragments[0];

		if (text && text !== said)
			probe.cues.push([text, Math.round(1000 * ((cues[0].startTime - (frag?.start ?? 0)) % 1 + 1)) % 1000]);
		said = text;
	}

	function look() {
		const v = document.querySelector('video');

		if (window.gexPlayer && window.gexPlayer !== hooked)
			hook(window.gexPlayer);
		if (v && v !== probe.video) {
			probe.video = v;
			moved = performance.now();
			v.addEventListener('waiting', () => { probe.waiting += settled(); });
			v.addEventListener('error', () => probe.errors.push(
				`fatal video ${v.error?.code} ${v.error?.message}`));
			v.requestVideoFrameCallback(onFrame);
		}
		if (probe.video) {
			if (probe.video.paused && probe.video.readyState >= 3)
				probe.video.play().catch(() => {});
			lookForStall();
			listen(probe.video);
		}
	}

	probe.take = () => {
		const v = probe.video;
		const end = v?.buffered.length ? v.buffered.end(v.buffered.length - 1) : 0;
		const report = {
			samples: probe.samples, errors: probe.errors, cues: probe.cues,
			stalls: probe.stalls.length, waiting: probe.waiting,
			stallMs: probe.stalls.reduce((sum, s) => sum + s[1], 0), stalled,
			stallMaxMs: Math.max(0, ...probe.stalls.map((s) => s[1])),
			firstFrameMs: probe.first, settled: settled(), currentTime: v?.currentTime ?? 0,
			bufferMs: v ? 1000 * Math.max(0, end - v.currentTime) : 0, rate: v?.playbackRate ?? 0,
			dropped: v?.getVideoPlaybackQuality().droppedVideoFrames ?? 0,
			playerLatency: hooked?.latency ?? hooked?.getCurrentLiveLatency?.() ?? null,
		};

		probe.samples = [];
		probe.errors = [];
		probe.cues = [];
		return report;
	};
	window.gexProbe = probe;
	setInterval(look, 20);
}

export { install };
