/*
 * hammer2_conform.h: lets `hammer2-cluster conform` examine a port of hammer2_cluster_resolve() that is written in C.
 *
 *	#include "hammer2_conform.h"
 *
 *	static void
 *	decide(const struct conform_question *question, struct conform_answer *answer)
 *	{
 *		... call your resolve ...
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		return conform_serve("my port", "0.1", "seed", decide);
 *	}
 *
 *	$ cc -O2 -o port port.c $(pkg-config --cflags --libs json-c)
 *	$ hammer2-cluster conform -- ./port
 *
 * A whole cluster is examined through hammer2_conform_cluster.h, which lies beside this one.
 *
 * json-c 0.14 or newer reads the JSON: unlike most libraries in C it keeps unsigned integers of 64 bits exact.
 */
#ifndef HAMMER2_CONFORM_H
#define HAMMER2_CONFORM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#define CONFORM_PROTOCOL	1
#define CONFORM_MAXCLUSTER	8
#define CONFORM_NO_PFS		(-1)	/* instead of pfs_nmasters: the cluster has no PFS, its pmp is NULL */
#define CONFORM_NO_FOCUS	(-1)	/* instead of a slot: there is no focus */
#define CONFORM_FOREIGN		(-2)	/* instead of a slot: the focus is a chain, but no member of the cluster */

struct conform_slot {
	int		present;	/* 0: there is no chain */
	uint8_t		pfs_type;	/* pmp->pfs_types[i] */
	uint64_t	mirror_tid;	/* chain->bref.mirror_tid */
	int32_t		error;		/* chain->error */
};

struct conform_question {
	int		pfs_nmasters;	/* 0..255 or CONFORM_NO_PFS */
	uint32_t	flags;		/* cluster->flags before */
	int		focus;		/* cluster->focus before: a slot, CONFORM_NO_FOCUS or CONFORM_FOREIGN */
	int		nchains;
	struct conform_slot slots[CONFORM_MAXCLUSTER];
};

struct conform_answer {
	const char	*outcome;	/* "ok" unless you say otherwise, for example "kkassert:L510" */
	int		focus;		/* cluster->focus after, written as before */
	int32_t		error;		/* cluster->error after */
	uint32_t	flags;		/* cluster->flags after */
};

typedef void conform_resolve_t(const struct conform_question *question, struct conform_answer *answer);

/* Who is asked, and by what it answers: see conform_serve(). */
struct conform_port {
	const char	*name, *version, *semantics;
	const char	*parts[4], *capabilities[3];			/* each ends with NULL */
	conform_resolve_t *resolve;					/* NULL: it is skipped */
	int		(*other)(const struct conform_port *port, struct json_object *message);	/* returns 0: skipped */
	const void	*cluster;					/* its own */
};

static inline struct json_object *
conform_get(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object, key, &value)) {
		fprintf(stderr, "hammer2_conform.h: a message without \"%s\"\n", key);
		exit(2);
	}
	return value;			/* NULL: null */
}

static inline struct conform_question
conform_read_question(struct json_object *object)
{
	struct json_object *m = conform_get(object, "m"), *p = conform_get(object, "p"), *s = conform_get(object, "s");
	struct conform_question question = {
		.pfs_nmasters = m ? json_object_get_int(m) : CONFORM_NO_PFS,
		.flags = (uint32_t)json_object_get_uint64(conform_get(object, "f")),
		.focus = CONFORM_NO_FOCUS,
		.nchains = (int)json_object_array_length(s),
	};

	if (p)
		question.focus = json_object_is_type(p, json_type_int) ? json_object_get_int(p) : CONFORM_FOREIGN;
	for (int i = 0; i < question.nchains && i < CONFORM_MAXCLUSTER; ++i) {
		struct json_object *member = json_object_array_get_idx(s, (size_t)i);

		if (member == NULL)
			continue;
		question.slots[i].present = 1;
		question.slots[i].pfs_type = (uint8_t)json_object_get_int(json_object_array_get_idx(member, 0));
		question.slots[i].mirror_tid = json_object_get_uint64(json_object_array_get_idx(member, 1));
		question.slots[i].error = json_object_get_int(json_object_array_get_idx(member, 2));
	}
	return question;
}

static inline void
conform_write_answer(const struct conform_answer *answer)
{
	printf("{\"o\":\"%s\",\"F\":", answer->outcome);
	if (answer->focus == CONFORM_NO_FOCUS)
		printf("null");
	else if (answer->focus == CONFORM_FOREIGN)
		printf("\"foreign\"");
	else
		printf("%d", answer->focus);
	printf(",\"e\":%" PRId32 ",\"g\":%" PRIu32 "}", answer->error, answer->flags);
}

static inline void
conform_run(const struct conform_port *port, struct json_object *message)
{
	struct json_object *questions;

	if (port->other && port->other(port, message))
		return;
	printf("{\"run\":%s,", json_object_get_string(conform_get(message, "run")));
	if (port->resolve == NULL || !json_object_object_get_ex(message, "resolve", &questions)) {
		printf("\"skipped\":\"this harness knows");
		for (int i = 0; port->parts[i]; ++i)
			printf("%s %s", i ? " and" : "", port->parts[i]);
		printf(" alone\"}\n");
		return;
	}
	printf("\"result\":[");
	for (size_t i = 0; i < json_object_array_length(questions); ++i) {
		struct conform_question question = conform_read_question(json_object_array_get_idx(questions, i));
		struct conform_answer answer = { .outcome = "ok" };

		if (i)
			putchar(',');
		port->resolve(&question, &answer);
		conform_write_answer(&answer);
	}
	printf("]}\n");
}

static inline struct json_object *
conform_list(const char *const *texts)
{
	struct json_object *list = json_object_new_array();

	for (; *texts; ++texts)
		json_object_array_add(list, json_object_new_string(*texts));
	return list;
}

static inline void
conform_introduce(const struct conform_port *port)
{
	struct json_object *who = json_object_new_object();

	json_object_object_add(who, "protocol", json_object_new_int(CONFORM_PROTOCOL));
	json_object_object_add(who, "name", json_object_new_string(port->name));
	json_object_object_add(who, "language", json_object_new_string("C"));
	json_object_object_add(who, "version", json_object_new_string(port->version));
	json_object_object_add(who, "parts", conform_list(port->parts));
	json_object_object_add(who, "semantics", json_object_new_string(port->semantics));
	json_object_object_add(who, "capabilities", conform_list(port->capabilities));
	printf("{\"started\":%s}\n", json_object_to_json_string(who));
	json_object_put(who);
}

/* Answer the oracle until it says stop. Returns the status to leave main() with. */
static inline int
conform_listen(const struct conform_port *port)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		struct json_object *message = json_tokener_parse(line), *part;

		if (json_object_object_get_ex(message, "stop", &part)) {
			json_object_put(message);
			free(line);
			return 0;
		}
		if (json_object_object_get_ex(message, "start", &part))
			conform_introduce(port);
		else
			conform_run(port, message);
		fflush(stdout);
		json_object_put(message);
	}
	fprintf(stderr, "hammer2_conform.h: the oracle has gone without saying stop\n");
	free(line);
	return 2;
}

/*
 * Answer by a callback. The name and the version are for people; semantics says what of the original is mended: "seed",
 * "repaired", "+name,.." or "-name,..".
 */
static inline int
conform_serve(const char *name, const char *version, const char *semantics, conform_resolve_t *resolve)
{
	const struct conform_port port = {
		.name = name, .version = version, .semantics = semantics, .parts = { "resolve" }, .resolve = resolve,
	};

	return conform_listen(&port);
}

#endif
