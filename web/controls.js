// What may be pressed: buttons, sound, the whole screen, keys, and the picture itself. Where the browser plays alone on its
// screen (iPhones), it has its own.

const $ = (id) => document.getElementById(id);

function wholeScreen(video) {
	if (document.fullscreenElement)
		document.exitFullscreen();
	else if ($('player').requestFullscreen)
		$('player').requestFullscreen().catch(() => {});
	else
		video.webkitEnterFullscreen?.();
}

export function wire(page, video) {
	const play = () => page.playOrPause(), mute = () => { video.muted = !video.muted; };
	const volume = $('volume');

	const showSound = () => {
		const on = !video.muted && video.volume > 0;

		$('mute').setAttribute('aria-pressed', on);
		$('mute').setAttribute('aria-label', on ? 'Sound off' : 'Sound on');
		volume.value = video.muted ? 0 : video.volume;
		volume.style.setProperty('--fill', `${100 * volume.value}%`);
	};
	const showPlay = () => {
		$('play').setAttribute('aria-pressed', !video.paused);
		$('play').setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
	};

	$('play').addEventListener('click', play);
	$('screen').addEventListener('click', play);
	$('screen').addEventListener('dblclick', () => wholeScreen(video));
	$('mute').addEventListener('click', mute);
	$('edge').addEventListener('click', () => page.goLive());
	$('full').addEventListener('click', () => wholeScreen(video));
	volume.addEventListener('input', () => {
		video.volume = Number(volume.value);
		video.muted = video.volume === 0;
	});
	video.addEventListener('volumechange', showSound);
	for (const event of ['play', 'pause', 'emptied'])
		video.addEventListener(event, showPlay);
	showSound();
	showPlay();

	const keys = {
		l: () => page.goLive(), m: mute, f: () => wholeScreen(video), k: play, ' ': play,
		j: () => page.seekBy(-10), ArrowLeft: () => page.seekBy(-10), ArrowRight: () => page.seekBy(10),
	};

	document.addEventListener('keydown', (e) => {
		const own = /^(SELECT|INPUT|BUTTON)$/.test(e.target.tagName) && !/^[a-z]$/i.test(e.key);
		const key = keys[e.key.length === 1 ? e.key.toLowerCase() : e.key];

		if (!key || own || e.target.tagName === 'SELECT' || e.ctrlKey || e.altKey || e.metaKey)
			return;
		e.preventDefault();
		key();
	});
}
