// The player page of gex-package: three ways to play (by-*.js), one hand that keeps close to the edge (keep.js), the past
// (seek.js), what was measured (graph.js), and recovery from everything without a reload. window.gexPlayer is for tests and scripts.

import { Clock } from './clock.js';
import { wire } from './controls.js';
import { Graph } from './graph.js';
import { Keeper, TURN_MS } from './keep.js';
import { Menu, qualityList, soundList, textList } from './menus.js';
import { SeekBar, span } from './seek.js';
import { explain, words } from './words.js';

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
const LIVE_S = 3;		// closer to now there is no past
const PAUSE_MS = 5000;		// after a longer one it goes on from there, where there is a past
const ERRORS_MAX = 100;

// One of words, or nothing.
function notice(key) {
	const [line, more] = words[key] ?? ['', ''], box = $('notice');

	box.classList.toggle('quiet', !key);
	if (box.children[0].textContent === line && box.children[1].textContent === more)
		return;
	box.children[0].textContent = line;
	box.children[1].textContent = more;
}

class Page extends EventTarget {
	video = video;
	clock = new Clock();
	way = 'hls';
	errors = [];
	stalls = 0;
	rebuilds = 0;
	past = NaN;		// UTC in ms at which it was begun, instead of live
	server = null;		// latency.json
	#pausedAt = 0;
	#over = false;		// the stream has ended
	#menus = {};
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

	// UTC of the picture.
	get pictureMs() {
		return this.#player?.pictureMs ?? NaN;
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
		const way = this.way, past = this.past;
		const current = () => way === this.way && Object.is(past, this.past);

		try {
			const { Player } = await ways[Number.isNaN(past) ? way : 'hls'].load();
			if (!current() || this.#player)
				return;
			const player = this.#player = new Player({
				video,
				clock: this.clock,
				at: past,
				failed: (text, fatal) => { if (player === this.#player) this.#failed(text, fatal); },
				qualities: (list) => { if (player === this.#player) this.#qualities(list); },
				sounds: (list, now) => { if (player === this.#player) this.#choose('sounds', soundList(list), now, 2, 'chooseSound'); },
				texts: (list) => { if (player === this.#player) this.#choose('texts', textList(list), -1, 2, 'chooseText'); },
			});
			await player.start();
		} catch (e) {
			if (current())
				this.#failed(e.message, true);
		}
	}

	// menu: what its choice calls of the player.
	addMenu(name, method) {
		const call = (i) => this.#player?.[method]?.(i);

		this.#menus[name] = new Menu($(name), $(`${name}-label`), call);
	}

	choose(way) {
		this.way = way;
		this.#begin(NaN);
	}

	// Live (NaN) or from an instant on.
	#begin(past) {
		this.past = past;
		this.#tries = 0;
		this.#over = false;
		notice('connecting');
		this.start();
	}

	// s of UTC; Infinity: live.
	seekTo(s) {
		const dvr = this.server?.dvr, now = this.clock.now / 1000;

		if (!(s < now - LIVE_S) || !dvr) {
			this.goLive();
			return;
		}
		const ms = 1000 * Math.max(s, dvr.from + 0.5);

		video.play().catch(() => {});
		if (Number.isNaN(this.past) || !this.#player?.seek(ms))
			this.#begin(ms);
		else
			notice('');
	}

	seekBy(s) {
		if (Number.isFinite(this.pictureMs))
			this.seekTo(this.pictureMs / 1000 + s);
	}

	goLive() {
		if (Number.isNaN(this.past))
			this.toEdge();
		else
			this.#begin(NaN);
	}

	playOrPause() {
		if (!video.paused) {
			video.pause();
			this.#pausedAt = performance.now();
			return;
		}
		const long = performance.now() - this.#pausedAt > PAUSE_MS;

		if (this.#begunAt && Number.isNaN(this.past) && long && this.server?.dvr)
			this.seekTo(this.pictureMs / 1000);
		else if (this.#begunAt && Number.isNaN(this.past) && long)
			this.toEdge();
		video.play().catch(() => {});
	}

	// To the newest picture, with what is to be kept in hand.
	toEdge() {
		const b = video.buffered;

		if (b.length && this.#player)
			video.currentTime = Math.max(b.start(b.length - 1), b.end(b.length - 1) - this.#hand());
		video.play().catch(() => {});
	}

	// In the menu: what Auto has chosen.
	showQuality(text) {
		this.#menus.quality.first(text);
	}

	// What the server has told.
	told(it) {
		this.server = it;
		if (this.#over && it?.state === 'live')
			this.#begin(NaN);
	}

	ended() {
		this.#over = true;
		notice('ended');
	}

	keepClose() {
		if (video.paused || video.seeking || !this.#begunAt || !Number.isNaN(this.past))
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
		} else if (document.hidden || this.#over || (video.paused && this.#begunAt)) {
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

	#choose(name, list, now, least, method) {
		const wish = this.#menus[name].fill(list, now, least);

		if (wish !== null)
			this.#player[method]?.(wish);
	}

	#qualities(list) {
		this.#choose('quality', qualityList(list), -1, 0, 'choose');
		video.play().catch((e) => e.name === 'NotAllowedError' && notice('blocked'));
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
			notice(why);
	}
}

// ---- what is shown ----

const page = window.gexPlayer = new Page();
const graph = new Graph($('graph'));
const seek = new SeekBar({ box: $('seek'), range: $('position'), preview: $('preview'), image: $('thumb'), text: $('preview-time') },
	(s) => page.seekTo(s));
const seconds = (s) => (!Number.isFinite(s) ? '–' : s < 60 ? `${s.toFixed(2)} s` : span(s));
const set = (id, text) => {
	if ($(id).textContent !== String(text))
		$(id).textContent = text;
};
let stallsShown = 0, droppedShown = 0;

function show() {
	const { latency, buffer, bitrate, clock, server } = page, dropped = video.getVideoPlaybackQuality?.().droppedVideoFrames ?? 0;
	const live = Number.isNaN(page.past), picture = video.videoWidth ? `${video.videoWidth}×${video.videoHeight}` : '–';

	graph.add({ latency: live ? latency : NaN, buffer: live ? buffer : NaN, stalls: page.stalls - stallsShown, dropped: Math.max(0, dropped - droppedShown) });
	stallsShown = page.stalls;
	droppedShown = dropped;
	set('latency', seconds(latency));
	set('buffer', seconds(buffer));
	set('picture', picture);
	set('rate', bitrate ? `${(bitrate / 1e6).toFixed(1)} Mbit/s` : '–');
	set('speed', `${video.playbackRate.toFixed(2)}×`);
	set('stalls', page.stalls);
	set('dropped', dropped);
	set('when', live || !Number.isFinite(latency) ? '' : `−${span(latency)}`);
	$('edge').classList.toggle('on', live && latency < 5);
	$('latency').title = clock.known ? `By the server's clock, from which this one differs by ${Math.round(clock.offsetMs)} ms` : '';
	page.showQuality(video.videoHeight ? `Auto · ${video.videoHeight}p` : 'Auto');
	seek.update({ from: server?.dvr?.from ?? NaN, now: clock.now / 1000, at: live ? clock.now / 1000 : page.pictureMs / 1000, pictures: server?.thumbnails });
}

// How late the source was when the server had it, which is not the player's, how many watch, and what is past.
async function askServer() {
	try {
		const it = await (await fetch('latency.json')).json(), video = it.renditions.find((r) => r.source)?.source;

		page.told(it);
		set('server', it.utc ? seconds(video?.p50) : '–');
		set('state', `${{ live: 'On the air', away: 'The source is away', ended: 'Has ended' }[it.state] ?? 'Not on the air'}` +
			`${it.viewers > 0 ? ` · ${it.viewers} watching` : ''}`);
	} catch {
		set('server', '–');
		set('state', '');
	}
	setTimeout(askServer, SERVER_MS);
}

// ---- what may be chosen ----

const wished = new URLSearchParams(location.search).get('player');

page.way = Object.hasOwn(ways, wished) ? wished : 'hls';
page.addMenu('quality', 'choose');
page.addMenu('sounds', 'chooseSound');
page.addMenu('texts', 'chooseText');
$('way').append(...Object.entries(ways).map(([key, { text }]) => new Option(text, key, false, key === page.way)));
$('way').addEventListener('change', () => {
	const url = new URL(location.href);

	url.searchParams.set('player', $('way').value);
	history.replaceState(null, '', url);
	page.choose($('way').value);
});
wire(page, video);
video.addEventListener('waiting', () => page.halted());
video.addEventListener('ended', () => page.ended());

const name = location.pathname.split('/').filter(Boolean).pop() ?? 'Live';
document.title = $('name').textContent = decodeURIComponent(name);
page.clock.keep();
askServer();
page.start();
setInterval(() => page.watch(), SHOW_MS);
setInterval(() => page.keepClose(), TURN_MS);
setInterval(show, SHOW_MS);
