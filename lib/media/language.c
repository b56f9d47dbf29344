#include "media/language.h"

/* ISO 639-1 and 639-2/T of one language, side by side. */
static const char pairs[] =
    "aaaar ababk aeave afafr akaka amamh anarg arara asasm avava ayaym azaze babak bebel "
    "bgbul bhbih bibis bmbam bnben bobod brbre bsbos cacat ceche chcha cocos crcre csces "
    "cuchu cvchv cycym dadan dedeu dvdiv dzdzo eeewe elell eneng eoepo esspa etest eueus "
    "fafas ffful fifin fjfij fofao frfra fyfry gagle gdgla glglg gngrn guguj gvglv hahau "
    "heheb hihin hohmo hrhrv hthat huhun hyhye hzher iaina idind ieile igibo iiiii ikipk "
    "ioido isisl itita iuiku jajpn jvjav kakat kgkon kikik kjkua kkkaz klkal kmkhm knkan "
    "kokor krkau kskas kukur kvkom kwcor kykir lalat lbltz lglug lilim lnlin lolao ltlit "
    "lulub lvlav mgmlg mhmah mimri mkmkd mlmal mnmon mrmar msmsa mtmlt mymya nanau nbnob "
    "ndnde nenep ngndo nlnld nnnno nonor nrnbl nvnav nynya ococi ojoji omorm orori ososs "
    "papan pipli plpol pspus ptpor quque rmroh rnrun roron rurus rwkin sasan scsrd sdsnd "
    "sesme sgsag sisin skslk slslv smsmo snsna sosom sqsqi srsrp ssssw stsot susun svswe "
    "swswa tatam tetel tgtgk ththa titir tktuk tltgl tntsn toton trtur tstso tttat twtwi "
    "tytah uguig ukukr ururd uzuzb veven vivie vovol wawln wowol xhxho yiyid yoyor zazha "
    "zhzho zuzul ";

/* ISO 639-2/B and /T where they differ. */
static const char other[] =
    "tibbod czeces welcym gerdeu greell baqeus perfas frefra armhye iceisl geokat macmkd "
    "maomri maymsa burmya dutnld rumron sloslk albsqi chizho ";

#define PAIR 6
#define BOTH 7

static bool letters(char *out, const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		out[i] = (char)(text[i] | 0x20);
		if (out[i] < 'a' || out[i] > 'z')
			return false;
	}
	out[n] = 0;
	return true;
}

bool language_code(char out[4], const char *text)
{
	size_t n = strcspn(text, "-_");
	char code[4];

	*out = 0;
	if ((n != 2 && n != 3) || !letters(code, text, n))
		return false;
	for (const char *p = pairs; n == 2 && *p; p += PAIR) {
		if (memcmp(p, code, 2))
			continue;
		memcpy(out, p + 2, 3);
		out[3] = 0;
		return true;
	}
	if (n == 2 || !strcmp(code, "und") || !strcmp(code, "mis") || !strcmp(code, "zxx"))
		return false;
	memcpy(out, code, sizeof(code));
	for (const char *p = other; *p; p += BOTH)
		if (!memcmp(p, code, 3))
			memcpy(out, p + 3, 3);
	return true;
}

void language_tag(char out[4], const char *code)
{
	str_copy(out, 4, code);
	for (const char *p = pairs; *p; p += PAIR) {
		if (strncmp(p + 2, code, 3) || strlen(code) != 3)
			continue;
		memcpy(out, p, 2);
		out[2] = 0;
		return;
	}
}
