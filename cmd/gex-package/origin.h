/* origin: the server of the process. It listens, asks who may have what, and hands each request to the package that its
 * path names. The packages live and end in it. */
#ifndef GEX_ORIGIN_H
#define GEX_ORIGIN_H

#include "disk.h"
#include "package.h"

struct origin_conf {
	struct package_conf
	    package; /* [package] and [access]: of -i, and what streams do not say themselves */
	VEC(struct package_conf *) streams; /* NULL: taken by a package */
	char *listen;
	bool by_flag; /* listen is what -l said */
	char *share;
	int64_t memory; /* of all streams; 0: no bound but theirs */
	bool sandbox;
	char *certificate, *key;
	char *trusted, *forwarded; /* networks of proxies; the header they tell the client by */
	int64_t max_connections, max_per_address, max_streams, max_requests;
	int64_t head_us, idle_us, stall_us;
};
extern const struct conf_table origin_table;
extern const struct conf_cli origin_cli;
/* Completes what was read: the streams, each with all that it has, that of -i first; and checks it. Once. 0, or a negative
 * errno with one line in err. */
int origin_settle(struct origin_conf *c, char *err, size_t cap) MUST_USE;
void origin_conf_finish(struct origin_conf *c);

/* ---- share ---- */

struct share_file {
	const char *name, *type;
	struct http_page page;
	int64_t modified_s;
	char etag[24];
};
struct share {
	struct share_file file[18];
};
/* Reads the page's files from dir, or where they are installed, or beside the program. Missing ones
 * are logged: the streams are served without the page. */
void share_load(struct share *s, const char *dir);
struct share_file *share_find(struct share *s, const char *name);
/* Names the folders in which that looks. */
void share_sandbox(const char *dir, struct os_sandbox *s);
void share_finish(struct share *s);

/* ---- the origin ---- */

struct origin {
	const struct origin_conf *conf;
	struct loop *loop;
	struct metrics *metrics;
	struct http_server *server;
	struct list packages; /* in the order of the configuration, after those that are leaving */
	VEC(struct stream_input *) retired; /* cancelled; their threads have not ended yet */
	struct loop_timer reap;
	struct share share;
	struct disk *write, *read; /* NULL until a stream wants to be kept */
	struct access *access;	   /* of what is no stream's; NULL: all may have all */
	int64_t refused_access[ACCESS_VERDICTS]; /* [ACCESS_OK]: granted */
	int64_t status_us, status_sent;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

/* Takes the streams out of conf, which outlives it. ended: there is nothing more to serve, with the status to end with. */
int origin_create(struct origin **out, struct origin_conf *conf, struct loop *l, struct metrics *m,
		  void (*ended)(void *arg, int status), void *arg, char *err) MUST_USE;
void origin_destroy(struct origin *o);
/* The stream of that name, n bytes, that is not leaving unless it is the only one. */
struct package *origin_find(const struct origin *o, const char *name, size_t n);
/* The last of the packages, and seen by Prometheus. */
void origin_add(struct origin *o, struct package *p);
/* Ends an input without waiting for its thread. NULL is allowed. */
void origin_retire(struct origin *o, struct stream_input *in);
/* Waits for the threads of all that were retired, a bounded time: what they had open is free then. */
void origin_reap(struct origin *o);
/* What of c may change while it runs, but the streams. */
void origin_set_limits(struct origin *o, const struct origin_conf *c);
/* reload.c: takes the streams of fresh, the limits, the lists and keys of access and the certificate: those that are new
 * begin, those that are no more leave, those that have changed begin anew, the others notice nothing. conf, which it was
 * made with, gets what fresh had. On failure all is as it was and err has one line. */
int origin_reload(struct origin *o, struct origin_conf *conf, struct origin_conf *fresh,
		  char *err) MUST_USE;
/* Answers what is held, accepts no more. */
void origin_drain(struct origin *o);
/* The status line of the time since the last one. */
void origin_status(struct origin *o, char *line, size_t cap);
/* The threads that wait for the disk, for all streams. 0, -ENOMEM or -EAGAIN. */
int origin_disks(struct origin *o, struct disk **write, struct disk **read) MUST_USE;
/* A package is over: its source has ended and its time with it, or (status not 0) it could not be read. p may be no more
 * after it. */
void origin_ended(struct origin *o, struct package *p, int status);

/* index.c: the streams that r may have, as a page or for programs. */
void index_send(struct origin *o, struct http_request *r, bool json);

#endif
