/* AMF0, the values in the messages of RTMP: what is needed of it. The numbers are those of section 2.1. */
#ifndef GEX_STREAM_AMF_H
#define GEX_STREAM_AMF_H

#include "base/base.h"

enum {
	AMF_NUMBER,
	AMF_BOOL,
	AMF_STRING,
	AMF_OBJECT,
	AMF_NULL = 5,
	AMF_UNDEFINED,
	AMF_ARRAY = 8,
	AMF_END,
	AMF_STRICT,
	AMF_DATE,
	AMF_LONG_STRING
};

void amf_number(struct wr *w, double v);
void amf_string(struct wr *w, const char *s);
/* Of an object, between AMF_OBJECT and amf_end: a name, before its value; both, of a string. */
void amf_key(struct wr *w, const char *s);
void amf_member(struct wr *w, const char *key, const char *value);
void amf_end(struct wr *w);

/* What is something else, or cut short, makes r bad. Texts that do not fit are "". */
double amf_read_number(struct rd *r);
void amf_read_string(struct rd *r, char *out, size_t cap);
/* A string without its marker, as the names in an object are. */
void amf_read_text(struct rd *r, char *out, size_t cap);
/* A value of any kind, objects in objects to a depth of 8. */
void amf_skip(struct rd *r);

#endif
