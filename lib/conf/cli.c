#include <errno.h>
#include <getopt.h>
#include <sysexits.h>

#include "conf/conf.h"
#include "log/log.h"

static int set_nothing(void *root, const char *value, char *err, size_t cap)
{
	return 0;
}

/* The flags of every tool; what they do is in common(). */
static const struct conf_flag common_flags[] = {
    {'c', "config", "FILE", "read this INI file", set_nothing},
    {'S', "set", "SECTION.KEY=VALUE", "override one key of the INI file", set_nothing},
    {'t', "test", NULL, "check the configuration and exit", set_nothing},
    {'m', "metrics", "ADDR", "serve Prometheus metrics at http://ADDR/metrics", set_nothing},
    {0, "ready-fd", "N", "write a newline to descriptor N when serving", set_nothing},
    {'v', "verbose", NULL, "log more (repeatable)", set_nothing},
    {'q', "quiet", NULL, "log errors only", set_nothing},
    {0, "keys", NULL, "list the keys of the INI file with their defaults and exit", set_nothing},
    {'V', "version", NULL, "print the version and exit", set_nothing},
    {'h', "help", NULL, "print this help and exit", set_nothing},
};

#define NCOMMON ARRAY_LEN(common_flags)
#define FLAGS_MAX 64
#define LONG_ONLY 256 /* getopt values of flags without a letter */

struct parser {
	const struct conf_cli *cli;
	const struct conf_flag *flag[FLAGS_MAX];
	size_t n;
	char letters[2 * FLAGS_MAX + 2];
	struct option longs[FLAGS_MAX + 1];
};

static void add_flag(struct parser *p, const struct conf_flag *f)
{
	size_t n = strlen(p->letters);

	if (p->n == FLAGS_MAX)
		return;
	if (f->letter) {
		p->letters[n++] = f->letter;
		if (f->arg)
			p->letters[n++] = ':';
	}
	p->longs[p->n] = (struct option){f->name, f->arg ? required_argument : no_argument, NULL,
					 f->letter ? f->letter : LONG_ONLY + (int)p->n};
	p->flag[p->n++] = f;
}

static const struct conf_flag *flag_of(const struct parser *p, int value)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->longs[i].val == value)
			return p->flag[i];
	return NULL;
}

static void print_help(const struct parser *p, FILE *f)
{
	fprintf(f, "usage: %s\n%s\n\n", p->cli->synopsis, p->cli->summary);
	for (size_t i = 0; i < p->n; i++) {
		const struct conf_flag *x = p->flag[i];
		char left[64], letter[5] = "    ";

		if (x->letter)
			snprintf(letter, sizeof(letter), "-%c, ", x->letter);
		snprintf(left, sizeof(left), "  %s--%s%s%s", letter, x->name, x->arg ? " " : "",
			 x->arg ? x->arg : "");
		fprintf(f, "%-34s %s\n", left, x->help);
	}
	fprintf(f, "\nSee %s(1) and gex.ini(5).\n", p->cli->tool);
}

static int usage_error(const struct parser *p)
{
	fprintf(stderr, "Try '%s --help'.\n", p->cli->tool);
	return EX_USAGE;
}

/* Returns -1 to go on, else the status to exit with. */
static int common(const struct parser *p, void *root, const struct conf_flag *f,
		  struct conf_common *out, char *err)
{
	int64_t n;

	switch (f->letter ? f->letter : f->name[0]) {
	case 'S':
		if (conf_set(p->cli->table, root, optarg, err))
			return EX_USAGE;
		break;
	case 't':
		out->test = true;
		break;
	case 'm':
		out->metrics = optarg;
		break;
	case 'r':
		if (num_int(optarg, &n) || n < 0 || n > 65535) {
			snprintf(err, CONF_ERR, "--ready-fd %s: not a descriptor", optarg);
			return EX_USAGE;
		}
		out->ready_fd = (int)n;
		break;
	case 'v':
		log_set_level(log_get_level() + 1);
		break;
	case 'q':
		log_set_level(LOG_ERROR);
		break;
	case 'k':
		conf_print_keys(p->cli->table, stdout);
		return EX_OK;
	case 'V':
		printf("%s %s\n", p->cli->tool, GEX_VERSION);
		return EX_OK;
	case 'h':
		print_help(p, stdout);
		return EX_OK;
	default:
		break;
	}
	return -1;
}

static bool is_common(const struct conf_flag *f)
{
	return f >= common_flags && f < common_flags + NCOMMON;
}

/* The file is read before any flag is carried out, wherever -c stands. */
static int read_file(const struct parser *p, void *root, int argc, char **argv,
		     struct conf_common *out, char *err)
{
	int c;

	optind = 0; /* GNU: start anew */
	opterr = 1;
	while ((c = getopt_long(argc, argv, p->letters, p->longs, NULL)) != -1) {
		if (c == '?')
			return usage_error(p);
		if (c != 'c')
			continue;
		if (out->file) {
			snprintf(err, CONF_ERR, "-c given twice");
			return EX_USAGE;
		}
		out->file = optarg;
	}
	if (optind < argc) {
		snprintf(err, CONF_ERR, "unexpected argument: %s", argv[optind]);
		return EX_USAGE;
	}
	return out->file && conf_file(p->cli->table, root, out->file, err) ? EX_CONFIG : -1;
}

static int carry_out(const struct parser *p, void *root, int argc, char **argv,
		     struct conf_common *out, char *err)
{
	int c, status = -1;

	optind = 0;
	while (status < 0 && (c = getopt_long(argc, argv, p->letters, p->longs, NULL)) != -1) {
		const struct conf_flag *f = flag_of(p, c);

		if (is_common(f)) {
			status = common(p, root, f, out, err);
			continue;
		}
		*err = 0;
		int rc = f->set(root, optarg, err, CONF_ERR);
		if (rc) {
			if (!*err)
				snprintf(err, CONF_ERR, "--%s %s: %s", f->name,
					 optarg ? optarg : "", strerror(-rc));
			status = EX_USAGE;
		}
	}
	return status;
}

int conf_cli(const struct conf_cli *c, void *root, int argc, char **argv, struct conf_common *out)
{
	struct parser p = {.cli = c};
	char err[CONF_ERR] = "";

	*out = (struct conf_common){.ready_fd = -1};
	log_init(c->tool, LOG_INFO);
	for (size_t i = 0; i < c->nflags; i++)
		add_flag(&p, &c->flags[i]);
	for (size_t i = 0; i < NCOMMON; i++)
		add_flag(&p, &common_flags[i]);
	if (conf_defaults(c->table, NULL, root)) {
		log_error(NULL, "out of memory");
		return EX_OSERR;
	}
	int status = read_file(&p, root, argc, argv, out, err);
	if (status < 0)
		status = carry_out(&p, root, argc, argv, out, err);
	if (*err && status > 0)
		log_error(NULL, "%s", err);
	return status;
}
