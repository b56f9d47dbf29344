// What is wrong, in words for the one who watches: a line, and what to do or expect.

export const words = {
	connecting: ['Connecting…', ''],
	waiting: ['Not on the air yet', 'The picture comes by itself as soon as the stream begins.'],
	away: ['The picture is gone for a moment', 'The source is away. It goes on by itself when it is back.'],
	ended: ['The stream has ended', 'Should it begin again, the picture comes by itself.'],
	denied: ['You may not watch this', 'The link has expired, or is for somebody else. Ask for a new one.'],
	missing: ['There is no such stream here', 'It may have ended, or its address is wrong.'],
	unreachable: ['The server cannot be reached', 'Trying again…'],
	interrupted: ['The picture was interrupted', 'Trying again…'],
	blocked: ['Press play', 'The browser waits for you to begin.'],
};

const ofState = { waiting: 'waiting', away: 'away', ended: 'ended', over: 'ended', failed: 'interrupted' };

// Which of them it is: the server is asked.
export async function explain() {
	const ask = (name) => fetch(name, { cache: 'no-store', signal: AbortSignal.timeout(5000) });

	try {
		const answer = await ask('index.m3u8');

		if (answer.status === 403 || answer.status === 404)
			return answer.status === 403 ? 'denied' : 'missing';
		const told = await ask('latency.json');
		const state = told.ok ? (await told.json()).state : '';

		return ofState[state] ?? (answer.ok ? 'interrupted' : 'waiting');
	} catch {
		return 'unreachable';
	}
}
