/* gex-transcode: one live source, a ladder of renditions on the UTC timeline. main.c: the process; conf.c: its keys and
 * flags, rungs.c, sounds.c, pictures.c: those of renditions and of what is drawn on them; job.c: source, engine and sinks tied together; figures.c: metrics and the status line. */
#ifndef GEX_TRANSCODE_H
#define GEX_TRANSCODE_H

#include "conf/conf.h"
#include "media/engine.h"
#include "metrics/metrics.h"
#include "stream/stream.h"

#define OUTPUTS_MAX 16
#define SOUND_RATE_MAX 512000

struct output_conf {
	char *name, *url_text;
	struct stream_url url; /* by conf_check */
};

struct rung_conf {
	char *name;
	struct rung rung;
};

/* A rendition of sound; what it leaves open (0, no codec) is as [audio] says. */
struct audio_conf {
	char *name, *label;
	struct sound sound;
	bool codec_set, loudness_set;
	int64_t track, channels;
};

struct input_conf {
	char *name, *url_text;
	struct stream_url url; /* by conf_check */
};

struct drawn_conf {
	char *name, *file, *text, *font;
	int64_t size, margin, opacity; /* size 0: the usual */
	struct overlay_conf draw;      /* by conf_check */
};

struct thumbnail_conf {
	char *name, *path; /* path NULL: no file */
	bool track;
	int64_t every_us, height, quality; /* the first two 0: as its kind usually has them */
};

struct conf {
	char *input_text;
	struct stream_url input;
	VEC(struct input_conf *) backups; /* in order of preference */
	bool input_flag;		  /* given on the command line, backups with it */
	int64_t loss_us, return_us;
	int64_t black_us, frozen_us, silent_us; /* 0: no reason to leave an input */
	int64_t alert_us[FAILOVER_FAULTS];
	struct alerts_conf alerts;
	int64_t slate_us;
	char *slate_file, *slate_text;
	VEC(struct output_conf *) outputs;
	VEC(struct rung_conf *) rungs;
	VEC(struct drawn_conf *) overlays;
	VEC(struct thumbnail_conf *) thumbnails;
	bool outputs_flag,
	    rungs_flag; /* given on the command line, which then replaces what the file has */
	bool cascade, video;
	int64_t gop_us;
	struct audio_conf audio; /* [audio]: what all are like */
	VEC(struct audio_conf *) audios;
	double silence_db;
	enum upright_mode deinterlace;
	bool sandbox;
};
extern const struct conf_cli transcode_cli;
/* Parses the URLs and says what is missing or contradicts. 0 or -EINVAL and a reason. */
int conf_check(struct conf *c, char *err, size_t cap) MUST_USE;
/* Names what the configuration touches. */
void conf_sandbox(const struct conf *c, struct os_sandbox *s);
void conf_free(struct conf *c);

/* ---- rungs.c ---- */

int rung_size(void *base, const char *value, char *err, size_t cap);
int rung_fps(void *base, const char *value, char *err, size_t cap);
int rung_codec(void *base, const char *value, char *err, size_t cap);
int rung_preset(void *base, const char *value, char *err, size_t cap);
int flag_rung(void *root, const char *value, char *err, size_t cap);
void *find_rung(struct conf *c, const char *name, char *err, size_t cap);
int check_rungs(const struct conf *c, char *err, size_t cap) MUST_USE;
void free_rungs(struct conf *c);

/* ---- sounds.c: keys of [audio NAME], and of all ---- */

int sound_codec(void *base, const char *value, char *err, size_t cap);
int sound_codec_of_all(void *base, const char *value, char *err, size_t cap);
int sound_map(void *base, const char *value, char *err, size_t cap);
int sound_map_of_all(void *base, const char *value, char *err, size_t cap);
int sound_loudness(void *base, const char *value, char *err, size_t cap);
int sound_loudness_of_all(void *base, const char *value, char *err, size_t cap);
int sound_lang(void *base, const char *value, char *err, size_t cap);
int silence_level(void *base, const char *value, char *err, size_t cap);
void *find_audio(struct conf *c, const char *name, char *err, size_t cap);
int check_audios(struct conf *c, char *err, size_t cap) MUST_USE;
void free_audios(struct conf *c);

/* ---- pictures.c ---- */

int drawn_at(void *base, const char *value, char *err, size_t cap);
int drawn_zone(void *base, const char *value, char *err, size_t cap);
void *find_overlay(struct conf *c, const struct conf_table *t, const char *name, char *err,
		   size_t cap);
int check_overlays(struct conf *c, char *err, size_t cap) MUST_USE;
void free_overlays(struct conf *c, const struct conf_table *t);
void *find_thumbnail(struct conf *c, const struct conf_table *t, const char *name, char *err,
		     size_t cap);
int check_thumbnails(struct conf *c, char *err, size_t cap) MUST_USE;
void free_thumbnails(struct conf *c, const struct conf_table *t);
/* Names the files that are read, and the folders that are written to. */
void sandbox_pictures(const struct conf *c, struct os_sandbox *s);

/* ---- figures ---- */

struct figures;
int figures_create(struct figures **out, struct metrics *m) MUST_USE;
void figures_destroy(struct figures *f);
/* From here on the metrics of the engine and the sinks are shown; both must outlive f. */
void figures_engine(struct figures *f, struct engine *e);
void figures_sink(struct figures *f, const char *name, struct stream_sink *s);
/* Before the sinks are closed. */
void figures_sinks_close(struct figures *f);
/* The renditions are known. info: kept. */
void figures_start(struct figures *f, struct media_info *info);
void figures_packet(struct figures *f, const struct media_packet *p, int64_t took_us,
		    int64_t utc_us);
/* The status line of the second that has passed. */
void figures_status(struct figures *f, char *line, size_t cap);

/* ---- job ---- */

struct job;
/* Opens source and sinks and starts. 0, or a negative errno with one line in err (CONF_ERR bytes). ended(arg, status) is called
 * once, when everything has come to its end. */
int job_create(struct job **out, struct loop *l, const struct conf *c, struct figures *f,
	       void (*ended)(void *arg, int status), void *arg, char *err) MUST_USE;
/* What was read is encoded and written, then ended is called. */
void job_stop(struct job *j);
void job_destroy(struct job *j);

#endif
