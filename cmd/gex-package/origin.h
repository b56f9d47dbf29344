/* origin: the server of the process. It listens, asks who may have what, and hands each request to the package that its
 * path names. The packages live and end in it. */
#ifndef GEX_ORIGIN_H
#define GEX_ORIGIN_H

#include "disk.h"
#include "package.h"

struct origin_conf {
	struct package_conf package;
	char *listen;
	bool by_flag; /* listen is what -l said */
	char *share;
	bool sandbox;
	char *certificate, *key;
	char *trusted, *forwarded; /* networks of proxies; the header they tell the client by */
	char *access_keys, *allow, *deny;
	int64_t max_connections, max_per_address, max_streams, max_requests;
	int64_t head_us, idle_us, stall_us;
};
extern const struct conf_cli origin_cli;
/* What [access] says; *out is NULL when it says nothing. */
int origin_access(const struct origin_conf *c, struct access **out, char *err) MUST_USE;
int origin_conf_check(const struct origin_conf *c, char *err, size_t cap);

/* ---- share ---- */

struct share_file {
	const char *name, *type;
	struct http_page page;
	int64_t modified_s;
	char etag[24];
};
struct share {
	struct share_file file[13];
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
	struct list packages;
	struct share share;
	struct disk *write, *read;		 /* NULL until a stream wants to be kept */
	struct access *access;			 /* NULL: all may have all */
	int64_t refused_access[ACCESS_VERDICTS]; /* [ACCESS_OK]: granted */
	int64_t status_us, status_sent;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

/* ended: there is nothing more to serve, with the status to end with. */
int origin_create(struct origin **out, const struct origin_conf *conf, struct loop *l,
		  struct metrics *m, void (*ended)(void *arg, int status), void *arg,
		  char *err) MUST_USE;
void origin_destroy(struct origin *o);
/* Takes what may change while it runs (limits, the certificate and its key) from fresh into conf, which
 * it was made with. On failure nothing changes and err has one line. */
int origin_reload(struct origin *o, struct origin_conf *conf, struct origin_conf *fresh,
		  char *err) MUST_USE;
/* Answers what is held, accepts no more. */
void origin_drain(struct origin *o);
/* The status line of the time since the last one. */
void origin_status(struct origin *o, char *line, size_t cap);
/* The threads that wait for the disk, for all streams. 0, -ENOMEM or -EAGAIN. */
int origin_disks(struct origin *o, struct disk **write, struct disk **read) MUST_USE;
/* A package is over: its source has ended and its time with it, or (status not 0) never began. */
void origin_ended(struct origin *o, struct package *p, int status);

#endif
