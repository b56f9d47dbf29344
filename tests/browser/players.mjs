// Pages of our own around players from npm, for streams that have no page. They are answered in the place of the
// stream's server, so that the player and the stream have one origin.

import { readFileSync } from 'node:fs';
import path from 'node:path';

// hls.js as a page that wants low latency sets it.
const hls = (url) => `
	const hls = window.gexPlayer = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.5 });
	hls.loadSource(${JSON.stringify(url)});
	hls.attachMedia(document.querySelector('video'));`;

// The first text track is shown, as when a viewer has chosen it.
const hlsText = (url) => `${hls(url)}
	document.querySelector('video').addEventListener('playing', (e) => {
		for (const track of e.target.textTracks)
			track.mode = track === e.target.textTracks[0] ? 'showing' : 'disabled';
	}, { once: true });`;

const dash = (url) => `
	const player = window.gexPlayer = dashjs.MediaPlayer().create();
	player.initialize(document.querySelector('video'), ${JSON.stringify(url)}, true);`;

// Shaka counts the latency of liveSync from the MPD's suggested delay on: 0 is that delay, and it catches up when it is 0.1 s
// behind. A tenth of a second of buffer is enough to go on with.
const shaka = (url) => `
	const player = window.gexPlayer = new shaka.Player();
	player.configure({ streaming: { lowLatencyMode: true, inaccurateManifestTolerance: 0, rebufferingGoal: 0.01,
		liveSync: { enabled: true, targetLatency: 0, targetLatencyTolerance: 0.1 } } });
	player.attach(document.querySelector('video')).then(() => player.load(${JSON.stringify(url)}));`;

// The text track of that kind is shown, as when a viewer has chosen it: of a set of its own (wvtt), or read in the pictures by the
// player itself.
const dashText = (url) => `
	const player = window.gexPlayer = dashjs.MediaPlayer().create();
	player.on('allTextTracksAdded', ({ tracks }) => {
		player.enableText(true);
		player.setTextTrack(tracks.findIndex((t) => !t.isEmbedded));
	});
	player.initialize(document.querySelector('video'), ${JSON.stringify(url)}, true);`;

const shakaText = (mime) => (url) => `${shaka(url)}
	document.querySelector('video').addEventListener('playing', () => {
		player.selectTextTrack(player.getTextTracks().find((t) => t.mimeType === '${mime}'));
	}, { once: true });`;

// Streams that are encrypted by cbcs, by the keys of `license` beside the playlist or MPD. hls.js wants EXT-X-KEY of
// ClearKey alone; the sessions of EME it makes by the key's id, before it has seen an init segment.
const hlsKeys = (url) => `
	class Playlists extends Hls.DefaultConfig.loader {
		load(context, config, callbacks) {
			super.load(context, config, { ...callbacks, onSuccess(answer, ...rest) {
				answer.data = answer.data.replace(/^#EXT-X-KEY:.*KEYFORMAT="identity".*\\n/gm, '');
				callbacks.onSuccess(answer, ...rest);
			} });
		}
	}
	const text = (id) => btoa(String.fromCharCode(...id)).replace(/=/g, '').replace(/\\+/g, '-').replace(/\\//g, '_');
	const hls = window.gexPlayer = new Hls({ lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.5, pLoader: Playlists,
		emeEnabled: true,
		drmSystems: { 'org.w3.clearkey': {
			licenseUrl: ${JSON.stringify(new URL('license', url).href)},
			generateRequest: (type, data, context) => ({ initDataType: 'keyids',
				initData: new TextEncoder().encode(JSON.stringify({ kids: [text(context.decryptdata.keyId)] })).buffer }),
		} } });
	hls.loadSource(${JSON.stringify(url)});
	hls.attachMedia(document.querySelector('video'));`;

// A progressive fragmented MP4, appended as it comes and played at its edge: the floor of any player by MSE.
const mp4 = (url, codecs) => `
	const video = document.querySelector('video'), source = new MediaSource();
	source.addEventListener('sourceopen', async () => {
		const buffer = source.addSourceBuffer('video/mp4; codecs="' + ${JSON.stringify(codecs)} + '"');
		const body = (await fetch(${JSON.stringify(url)})).body.getReader();
		for (;;) {
			const { value, done } = await body.read();
			if (done)
				break;
			buffer.appendBuffer(value);
			await new Promise((ok) => buffer.addEventListener('updateend', ok, { once: true }));
			if (!video.buffered.length)
				continue;
			const end = video.buffered.end(video.buffered.length - 1);
			const ahead = end - video.currentTime;
			if (ahead > 0.4)
				video.currentTime = end - 0.1;
			video.playbackRate = ahead > 0.2 ? 1.1 : 1;
			if (!buffer.updating && video.currentTime > 60) {
				buffer.remove(0, video.currentTime - 30);
				await new Promise((ok) => buffer.addEventListener('updateend', ok, { once: true }));
			}
		}
	});
	video.src = URL.createObjectURL(source);`;

const players = {
	hls: { script: 'hls.js/dist/hls.min.js', start: hls },
	'hls-text': { script: 'hls.js/dist/hls.min.js', start: hlsText },
	dash: { script: 'dashjs/dist/modern/umd/dash.all.min.js', start: dash },
	shaka: { script: 'shaka-player/dist/shaka-player.compiled.js', start: shaka },
	'dash-text': { script: 'dashjs/dist/modern/umd/dash.all.min.js', start: dashText },
	'shaka-text': { script: 'shaka-player/dist/shaka-player.compiled.js', start: shakaText('application/mp4') },
	'shaka-608': { script: 'shaka-player/dist/shaka-player.compiled.js', start: shakaText('application/cea-608') },
	'shaka-708': { script: 'shaka-player/dist/shaka-player.compiled.js', start: shakaText('application/cea-708') },
	'hls-keys': { script: 'hls.js/dist/hls.min.js', start: hlsKeys },
	mp4: { script: null, start: mp4 },
};

// Sets up the page of a player beside the stream; returns its URL.
async function servePlayer(page, name, url, npm, codecs) {
	const player = players[name], at = new URL('/gex-watch/', url).href;
	const script = player.script && readFileSync(path.join(npm, player.script));
	const tag = script ? '<script src="player.js"></script>' : '';

	await page.route(`${at}**`, (route) => {
		if (route.request().url().endsWith('player.js'))
			return route.fulfill({ contentType: 'text/javascript', body: script });
		return route.fulfill({ contentType: 'text/html', body: `<!doctype html><meta charset=utf-8>
			<title>watch</title><link rel=icon href="data:,"><video muted autoplay playsinline></video>
			${tag}<script>${player.start(url, codecs)}</script>` });
	});
	return at;
}

export { players, servePlayer };
