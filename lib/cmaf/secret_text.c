#include "cmaf/secret_text.h"

#include "cmaf/mpd.h"

static void put_hex(const uint8_t *v, size_t n, FILE *f)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", v[i]);
}

static void put_address(const struct cmaf_key_places *places, const uint8_t kid[16], FILE *f)
{
	fprintf(f, "URI=\"%s", places->uri);
	put_hex(kid, 16, f);
	fputc('"', f);
}

void secret_put_hls(enum cmaf_scheme scheme, const uint8_t kid[16], const uint8_t iv[16],
		    const struct cmaf_key_places *places, FILE *f)
{
	if (scheme == CMAF_AES128) {
		fputs("#EXT-X-KEY:METHOD=AES-128,", f);
		put_address(places, kid, f);
		fputc('\n', f);
		return;
	}
	for (unsigned format = CMAF_IDENTITY; format <= CMAF_CLEARKEY; format <<= 1) {
		bool clearkey = format == CMAF_CLEARKEY;

		if (!(places->formats & format))
			continue;
		fputs("#EXT-X-KEY:METHOD=SAMPLE-AES,", f);
		put_address(places, kid, f);
		fprintf(f, ",KEYFORMAT=\"%s\",KEYFORMATVERSIONS=\"1\",%s=0x",
			clearkey ? "org.w3.clearkey" : "identity", clearkey ? "KEYID" : "IV");
		put_hex(clearkey ? kid : iv, 16, f);
		fputc('\n', f);
	}
}

static void put_uuid(const uint8_t v[16], FILE *f)
{
	static const size_t parts[] = {4, 2, 2, 2, 6};

	for (size_t i = 0; i < ARRAY_LEN(parts); v += parts[i++]) {
		put_hex(v, parts[i], f);
		if (i + 1 < ARRAY_LEN(parts))
			fputc('-', f);
	}
}

void secret_put_mpd(const uint8_t kid[16], const char *license, FILE *f)
{
	fputs("      <ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" "
	      "value=\"cbcs\" cenc:default_KID=\"",
	      f);
	put_uuid(kid, f);
	fputs("\"/>\n", f);
	if (!license)
		return;
	fputs("      <ContentProtection "
	      "schemeIdUri=\"urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e\" "
	      "value=\"ClearKey1.0\">\n        <dashif:Laurl>",
	      f);
	mpd_put_text(license, f);
	fputs("</dashif:Laurl>\n      </ContentProtection>\n", f);
}
