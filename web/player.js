// The player page of gex-package: three ways to play (by-*.js), one hand that keeps close to the edge (keep.js), what was
// measured (graph.js), and recovery from everything without a reload. window.gexPlayer is for tests and scripts.

import { Clock } from './clock.js';
import { Graph } from './graph.js';
import { Keeper, TURN_MS } from './keep.js';
import { explain } from './load.js';

const $ = (id) => document.getElementById(id);
const video = $('video');
const ways = {
	hls: { text: 'LL-HLS', load: () => import('./by-hls.js') },
	dash: { text: 'LL-DASH', load: () => import('./by-dash.js') },
	mp4: { text: 'MP4', load: () => import('./by-mp4.js') },
};
const SHOW_MS = 250;
const SERVER_MS = 3000;		// between looks at latency.json
const RETRY_MS = 700, RETRY_MAX_MS = 5000;	// between attempts at a server that is away
const FROZEN_MS = 4000;		// a picture that stands for so long is given up
const FIRST_MS = 12000;		// and so the wait for the first one
const JUMP_MS = 400;		// for so long when the stream goes on behind a gap
const JUST_BEGUN_MS = 2000;	// what halts within it is still the beginning
const ERRORS_MAX = 100;

function notice(text) {
	if ($('notice').textContent !== text)
		$('notice').textContent = text;
}

class Page extends EventTarget {
	video = video;
	clock = new Clock();
	way = 'hls';
	errors = [];
	stalls = 0;
	rebuilds = 0;
	#player = null;
	#keeper = new Keeper();
	#retry = 0;
	#tries = 0;		// in a row without a picture
	#movedAt = 0;
	#lastTime = 0;
	#begunAt = 0;		// 0: no picture yet by this player

	// Seconds from the instant that the picture bears to now.
	get latency() {
		return this.#player ? (this.clock.now - this.#player.pictureMs) / 1000 : NaN;
	}

	get buffer() {
		const b = video.buffered;

		for (let i = 0; i < b.length; i++)
			if (b.start(i) <= video.currentTime + 0.1 && video.currentTime <= b.end(i))
				return b.end(i) - video.currentTime;
		return 0;
	}

	get bitrate() {
		return this.#player?.bitrate;
	}

	async start() {
		clearTimeout(this.#retry);
		this.#player?.stop();
		this.#player = null;
		this.#begunAt = 0;
		this.#movedAt = performance.now();
		this.#keeper.begin();
		const way = this.way;

		try {
			const { Player } = await ways[way].load();
			if (way !== this.way || this.#player)
				return;
			const player = this.#player = new Player({
				video,
				clock: this.clock,
				failed: (text, fatal) => { if (player === this.#player) this.#failed(text, fatal); },
				qualities: (list) => { if (player === this.#player) this.#qualities(list); },
			});
			await player.start();
		} catch (e) {
			if (way === this.way)
				this.#failed(e.message, true);
		}
	}

	choose(way) {
		this.way = way;
		this.#tries = 0;
		$('quality').value = -1;
		notice('Connecting…');
		this.start();
	}

	quality(i) {
		this.#player?.choose(i);
	}

	// To the newest picture, with what is to be kept in hand.
	toEdge() {
		const b = video.buffered;

		if (b.length && this.#player)
			video.currentTime = Math.max(b.start(b.length - 1), b.end(b.length - 1) - this.#hand());
		video.play().catch(() => {});
	}

	keepClose() {
		if (video.paused || video.seeking || !this.#begunAt)
			return;
		const jump = this.#keeper.turn(video, this.buffer, this.#player.hand, this.clock.roundTrip);

		if (jump)
			video.currentTime += jump;
	}

	halted() {
		if (!this.#begunAt || video.seeking)
			return;
		this.#keeper.stalled();
		this.#player?.stalled?.();
		if (performance.now() - this.#begunAt > JUST_BEGUN_MS)
			this.stalls++;
	}

	watch() {
		const now = performance.now(), stands = now - this.#movedAt;

		if (video.currentTime !== this.#lastTime) {
			this.#lastTime = video.currentTime;
			this.#movedAt = now;
			if (!video.paused && video.readyState > 2) {
				this.#begunAt ||= now;
				this.#tries = 0;
				notice('');
			}
		} else if (document.hidden || (video.paused && this.#begunAt)) {
			this.#movedAt = now;
		} else if (this.#begunAt && stands > JUMP_MS && this.#player?.behindGap > video.currentTime) {
			video.currentTime = this.#player.behindGap;
		} else if (stands > (this.#begunAt ? FROZEN_MS : FIRST_MS)) {
			this.#movedAt = now;
			this.#failed('page/frozen', true);
		}
	}

	#hand() {
		return this.#keeper.hand(this.#player.hand, this.clock.roundTrip);
	}

	#qualities(list) {
		const menu = $('quality'), chosen = Number(menu.value);

		menu.replaceChildren(new Option('Auto', -1), ...list.map((l, i) => new Option(
			`${l.height ? `${l.height}p` : 'Audio'} · ${Math.round(l.bitrate / 1000)} kbit/s`, i)));
		if (chosen >= 0 && chosen < list.length) {
			menu.value = chosen;
			this.#player.choose(chosen);
		}
		video.play().catch((e) => e.name === 'NotAllowedError' && notice('Press play.'));
	}

	#failed(text, fatal) {
		const detail = { at: Date.now(), text, fatal };

		this.errors.push(detail);
		if (this.errors.length > ERRORS_MAX)
			this.errors.shift();
		this.dispatchEvent(new CustomEvent('error', { detail }));
		if (fatal)
			this.#again();
	}

	// Begins anew in a while, and says why.
	async #again() {
		const wait = Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.#tries++);

		this.rebuilds++;
		this.#movedAt = performance.now() + wait;
		clearTimeout(this.#retry);
		this.#retry = setTimeout(() => this.start(), wait);
		const tries = this.#tries, why = await explain();
		if (tries === this.#tries)
			notice(`${why} Trying again…`);
	}
}

// ---- what is shown ----

const page = window.gexPlayer = new Page();
const graph = new Graph($('graph'));
const seconds = (s) => (Number.isFinite(s) ? `${s.toFixed(2)} s` : '–');
let stallsShown = 0, droppedShown = 0;

function show() {
	const { latency, buffer, bitrate, clock } = page, dropped = video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0;

	graph.add({ latency, buffer, stalls: page.stalls - stallsShown, dropped: Math.max(0, dropped - droppedShown) });
	stallsShown = page.stalls;
	droppedShown = dropped;
	$('latency').textContent = seconds(latency);
	$('buffer').textContent = seconds(buffer);
	$('picture').textContent = video.videoWidth ? `${video.videoWidth}×${video.videoHeight}` : '–';
	$('picture').title = bitrate ? `${Math.round(bitrate / 1000)} kbit/s` : '';
	$('speed').textContent = `${video.playbackRate.toFixed(2)}×`;
	$('stalls').textContent = page.stalls;
	$('dropped').textContent = dropped;
	$('clock').textContent = clock.known ? `${clock.offsetMs >= 0 ? '+' : '−'}${Math.abs(Math.round(clock.offsetMs))} ms` : '–';
	$('edge').classList.toggle('on', latency < 5);
}

// How late the source was when the server had it: that much of the latency is not the player's.
async function askServer() {
	try {
		const answer = await fetch('latency.json'), { utc, renditions } = await answer.json();

		$('server').textContent = utc ? seconds(renditions.find((r) => r.source)?.source.p50) : '–';
	} catch {
		$('server').textContent = '–';
	}
	setTimeout(askServer, SERVER_MS);
}

// ---- what may be pressed ----

const wished = new URLSearchParams(location.search).get('player');

page.way = Object.hasOwn(ways, wished) ? wished : 'hls';
$('way').append(...Object.entries(ways).map(([key, { text }]) => new Option(text, key, false, key === page.way)));
$('way').addEventListener('change', () => {
	const url = new URL(location.href);

	url.searchParams.set('player', $('way').value);
	history.replaceState(null, '', url);
	page.choose($('way').value);
});
$('quality').addEventListener('change', () => page.quality(Number($('quality').value)));
$('edge').addEventListener('click', () => page.toEdge());

const keys = {
	l: () => page.toEdge(),
	m: () => { video.muted = !video.muted; },
	f: () => (document.fullscreenElement ? document.exitFullscreen() : video.requestFullscreen?.()),
	k: () => (video.paused ? video.play().catch(() => {}) : video.pause()),
};

document.addEventListener('keydown', (e) => {
	if (!e.ctrlKey && !e.altKey && !e.metaKey && e.target.tagName !== 'SELECT')
		keys[e.key.toLowerCase()]?.();
});
video.addEventListener('waiting', () => page.halted());

const name = location.pathname.split('/').filter(Boolean).pop() ?? 'Live';
document.title = $('name').textContent = decodeURIComponent(name);
page.clock.keep();
askServer();
page.start();
setInterval(() => page.watch(), SHOW_MS);
setInterval(() => page.keepClose(), TURN_MS);
setInterval(show, SHOW_MS);
