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
