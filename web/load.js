// What is not ours and big is loaded when it is needed, from the same host.

const loaded = new Map();

export function script(name) {
	if (!loaded.has(name))
		loaded.set(name, new Promise((ok, fail) => {
			const tag = document.createElement('script');

			tag.src = name;
			tag.onload = ok;
			tag.onerror = () => {
				loaded.delete(name);
				tag.remove();
				fail(new Error(`${name} could not be loaded`));
			};
			document.head.append(tag);
		}));
	return loaded.get(name);
}

// What is wrong, in words for the one who watches: the server is asked.
export async function explain() {
	let answer;

	try {
		answer = await fetch('index.m3u8', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
	} catch {
		return 'The server cannot be reached.';
	}
	if (answer.ok)
		return 'The stream was interrupted.';
	return {
		403: 'You may not watch this: the link has expired or is for somebody else.',
		404: 'There is no such stream here.',
		503: 'The stream is not on air.',
	}[answer.status] ?? `The server answers ${answer.status}.`;
}
