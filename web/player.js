// The player page of gex-package: hls.js with the settings that low latency wants, the latency that was measured, and
// recovery from everything without a reload. window.gexPlayer is for tests and scripts.
'use strict';

const $ = (id) => document.getElementById(id);
const video = $('video');
const RETRY_MS = 700;		// between attempts at a server that is away
const FROZEN_MS = 4000;		// a picture that stands for so long is given up
const JUMP_MS = 400;		// for so long when the stream goes on behind a gap

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
	maxLiveSyncPlaybackRate: 1,	// keepClose does it: hls.js only catches up to one second of buffer
	liveSyncOnStallIncrease: 0.1,
	testBandwidth: false,		// it costs a segment's time before the first picture
	abrEwmaDefaultEstimate: 5e6,
	maxBufferLength: 10,
	manifestLoadPolicy: policy(5000),
	playlistLoadPolicy: policy(6000),
	fragLoadPolicy: policy(6000),
};

// How much is kept in hand before the picture, at its lowest between two parts: little, more after each stall, and slowly less
// again. Media that arrive sooner are made up for by playing a little faster.
const HAND_MIN = 0.2, HAND_MAX = 2, HAND_PER_STALL = 0.15, HAND_BACK = 0.002;	// s, s, s, s per second
const HAND_ROUND_TRIPS = 2;

// ---- the clock ----

let clockOffset = 0;	// the server's time minus ours, ms
let clockKnown = false;
let roundTrip = 0;	// to the server, s; 0: not known

// The fastest of a few answers is the least wrong.
async function readClock() {
	let best = Infinity;

	for (let i = 0; i < 5; i++) {
		const sent = performance.now();
		try {
			const answer = await fetch('time', { cache: 'no-store' });
			const text = await answer.text(), took = performance.now() - sent;

			if (answer.ok && took < best) {
				best = took;
				roundTrip = took / 1000;
				clockOffset = Date.parse(text) + took / 2 - Date.now();
				clockKnown = true;
			}
		} catch {
			break;
		}
	}
	setTimeout(readClock, clockKnown ? 60000 : 2000);
}

// ---- the player ----

class Player {
	static Events = window.Hls ? Hls.Events : {};

	hls = null;
	video = video;
	errors = [];
	stalls = 0;
	rebuilds = 0;
	#listeners = [];
	#retry = 0;
	#mediaError = 0;

	// As hls.on, and kept over rebuilds.
	on(event, fn) {
		this.#listeners.push([event, fn]);
		this.hls?.on(event, fn);
	}

	// Seconds from the instant that the picture bears to now.
	get latency() {
		const date = this.hls?.playingDate;

		return date ? (Date.now() + clockOffset - date.getTime()) / 1000 : NaN;
	}

	get buffer() {
		const b = video.buffered;

		for (let i = 0; i < b.length; i++)
			if (b.start(i) <= video.currentTime + 0.1 && video.currentTime <= b.end(i))
				return b.end(i) - video.currentTime;
		return 0;
	}

	start() {
		clearTimeout(this.#retry);
		this.hls?.destroy();
		this.hls = new Hls(settings);
		for (const [event, fn] of this.#listeners)
			this.hls.on(event, fn);
		this.hls.on(Hls.Events.ERROR, (_, e) => this.#failed(e));
		this.hls.on(Hls.Events.MANIFEST_PARSED, () => this.#parsed());
		this.hls.loadSource('index.m3u8');
		this.hls.attachMedia(video);
	}

	rebuild(why) {
		this.rebuilds++;
		notice(why);
		clearTimeout(this.#retry);
		this.#retry = setTimeout(() => this.start(), RETRY_MS);
	}

	#parsed() {
		listQualities(this.hls);
		video.play().catch(() => {});
	}

	#failed(e) {
		this.errors.push({ at: Date.now(), type: e.type, details: e.details, fatal: e.fatal });
		if (this.errors.length > 100)
			this.errors.shift();
		if (!e.fatal)
			return;
		if (e.type === Hls.ErrorTypes.MEDIA_ERROR && Date.now() - this.#mediaError > 5000) {
			this.#mediaError = Date.now();
			this.hls.recoverMediaError();
		} else {
			this.rebuild('Waiting for the stream…');
		}
	}
}

function notice(text) {
	$('notice').textContent = text;
}

// ---- quality ----

function listQualities(hls) {
	const menu = $('quality'), chosen = menu.value;

	menu.replaceChildren(new Option('Auto', -1));
	hls.levels.forEach((l, i) => menu.append(
		new Option(`${l.height ? `${l.height}p` : 'Audio'} · ${Math.round(l.bitrate / 1000)} kbit/s`, i)));
	if (chosen < hls.levels.length) {
		menu.value = chosen;
		hls.currentLevel = Number(chosen);
	}
}

$('quality').addEventListener('change', () => {
	player.hls.currentLevel = Number($('quality').value);
});

$('edge').addEventListener('click', () => {
	const edge = player.hls.liveSyncPosition;

	if (edge)
		video.currentTime = edge;
	video.play().catch(() => {});
});

// ---- close to the edge, not over it ----

let hand = HAND_MIN;

// What is lost on the way comes a round trip or two later.
function handMin() {
	return Math.min(HAND_MAX, HAND_MIN + HAND_ROUND_TRIPS * roundTrip);
}
const recent = [];	// buffer in seconds, four times a second

function keepClose() {
	recent.push(player.buffer);
	if (recent.length > 5)
		recent.shift();
	if (video.paused || video.seeking || !begun)
		return;
	const over = Math.min(...recent) - hand;

	hand = Math.max(handMin(), hand - HAND_BACK / 4);
	if (over > 0.06)
		video.playbackRate = 1 + Math.min(0.5, over / 3);
	else if (over < -0.08)
		video.playbackRate = 0.96;
	else
		video.playbackRate = 1;
}

// ---- what is shown ----

const history = [];	// of latency, four a second, one minute

function drawGraph() {
	const canvas = $('graph'), pen = canvas.getContext('2d'), style = getComputedStyle(document.documentElement);
	const { width, height } = canvas, top = Math.max(1500, ...history.filter((v) => v < 20000)) * 1.1;
	const y = (ms) => height - ms / top * height;

	pen.clearRect(0, 0, width, height);
	pen.font = '12px system-ui, sans-serif';
	pen.fillStyle = style.getPropertyValue('--soft');
	pen.strokeStyle = style.getPropertyValue('--line');
	for (let s = 1000; s < top; s += top > 8000 ? 5000 : 1000) {
		pen.beginPath();
		pen.moveTo(0, y(s));
		pen.lineTo(width, y(s));
		pen.stroke();
		pen.fillText(`${s / 1000} s`, 4, y(s) - 3);
	}
	pen.strokeStyle = style.getPropertyValue('--accent');
	pen.lineWidth = 2;
	pen.beginPath();
	history.forEach((ms, i) => pen[Number.isFinite(ms) && i ? 'lineTo' : 'moveTo'](
		width - (history.length - i) * 3, y(Number.isFinite(ms) ? ms : 0)));
	pen.stroke();
	pen.lineWidth = 1;
}

const seconds = (s) => (Number.isFinite(s) ? `${s.toFixed(2)} s` : '–');

function show() {
	const hls = player.hls, latency = player.latency, level = hls?.levels?.[hls.currentLevel];

	history.push(latency * 1000);
	if (history.length > 240)
		history.shift();
	$('latency').textContent = seconds(latency);
	$('buffer').textContent = seconds(player.buffer);
	$('picture').textContent = video.videoWidth ? `${video.videoWidth}×${video.videoHeight}` : '–';
	$('picture').title = level ? `${Math.round(level.bitrate / 1000)} kbit/s` : '';
	$('speed').textContent = `${video.playbackRate.toFixed(2)}×`;
	$('stalls').textContent = player.stalls;
	$('dropped').textContent = video.getVideoPlaybackQuality?.().droppedVideoFrames ?? '–';
	$('clock').textContent = clockKnown ? `${clockOffset >= 0 ? '+' : '−'}${Math.abs(Math.round(clockOffset))} ms` : '–';
	$('edge').classList.toggle('on', latency < 5);
	drawGraph();
}

// ---- stalls, and a picture that stands ----

let lastTime = 0, movedAt = 0, begun = false;

// Where the stream goes on behind a gap that the packager tells of; NaN when there is none or it is not over yet. hls.js
// jumps over small holes only.
function behindGap() {
	const hls = player.hls, details = hls?.latestLevelDetails ?? hls?.levels[hls.loadLevel]?.details;
	const gap = details?.fragments.filter((f) => f.gap).pop();

	return gap && video.currentTime < gap.end && details.edge > gap.end ? gap.end + 0.05 : NaN;
}

function watch() {
	const now = performance.now();

	if (video.currentTime !== lastTime) {
		lastTime = video.currentTime;
		movedAt = now;
		if (!video.paused && video.readyState > 2) {
			begun = true;
			notice('');
		}
	} else if (video.paused || document.hidden) {
		movedAt = now;
	} else if (begun && now - movedAt > JUMP_MS && behindGap() > video.currentTime) {
		video.currentTime = behindGap();
	} else if (now - movedAt > FROZEN_MS && movedAt) {
		movedAt = now;
		player.rebuild('Waiting for the stream…');
	}
}

video.addEventListener('waiting', () => {
	if (!begun || video.seeking)
		return;
	player.stalls++;
	hand = Math.min(HAND_MAX, hand + HAND_PER_STALL);
});

const player = new Player();
window.gexPlayer = player;

const name = location.pathname.split('/').filter(Boolean).pop() ?? 'Live';
document.title = $('name').textContent = decodeURIComponent(name);

if (!window.Hls) {
	notice('hls.min.js is missing beside this page.');
} else if (Hls.isSupported()) {
	readClock();
	player.start();
	movedAt = performance.now();
	setInterval(watch, 250);
	setInterval(keepClose, 250);
	setInterval(show, 250);
} else {
	// Safari on iPhone without ManagedMediaSource: its own player reads the same playlists.
	video.src = 'index.m3u8';
	video.addEventListener('playing', () => notice(''));
	video.addEventListener('error', () => setTimeout(() => { video.src = 'index.m3u8'; }, RETRY_MS));
}
