/*
 * hammer2_conform_cluster.h: lets `hammer2-cluster conform` drive a whole cluster that is written in C.
 *
 *	#include "hammer2_conform_cluster.h"
 *
 *	static const struct conform_cluster cluster = { .begin = begin, .put = put, ... };
 *
 *	int
 *	main(void)
 *	{
 *		return conform_serve_cluster("my port", "0.1", "repaired", NULL, &cluster);
 *	}
 *
 * It is built as hammer2_conform.h tells, which it needs beside it. In the place of NULL may be a resolve callback.
 */
#ifndef HAMMER2_CONFORM_CLUSTER_H
#define HAMMER2_CONFORM_CLUSTER_H

#include "hammer2_conform.h"

enum conform_ended {
	CONFORM_DONE,			/* of a change: it is durable, and seen from now on; of get: it was read */
	CONFORM_REFUSED,		/* it was not done, and never will be */
	CONFORM_UNKNOWN,		/* of a change: it may be seen later, or not */
	CONFORM_SKIPPED			/* this port does not do that: the rest of the scenario is not asked */
};

/*
 * A scenario begins with all nodes there and in step, masters first, and no file. Nodes and clients are numbered from 0.
 * A node that fails keeps its media, one that crashes loses what is in its memory: "now", when it next has something to
 * "flush", or in the middle of its next "resync". One that is reconnected is there, and what was to happen to it does not.
 */
struct conform_cluster {
	enum conform_ended (*begin)(int nmasters, int nslaves, int pfs_nmasters);
	enum conform_ended (*put)(const char *name, const char *content, int client);
	enum conform_ended (*remove)(const char *name, int client);
	enum conform_ended (*get)(const char *name, const char **content, int client);	/* NULL: there is no such file */
	enum conform_ended (*fail)(int node, const char *at);
	enum conform_ended (*crash)(int node, const char *at);
	enum conform_ended (*reconnect)(int node);
	enum conform_ended (*replace)(int node);	/* its media are new, and empty; NULL: that is not declared */
	enum conform_ended (*resync)(void);
	enum conform_ended (*status)(const char **states);	/* "synchronized", "behind" or "away", for each node */
	int	two_clients;				/* 0: client is 0 in any case */
};

static inline const char *
conform_text(struct json_object *object, const char *key, const char *otherwise)
{
	struct json_object *value;

	return json_object_object_get_ex(object, key, &value) ? json_object_get_string(value) : otherwise;
}

static inline enum conform_ended
conform_begin(const struct conform_cluster *cluster, struct json_object *scenario, int *count)
{
	struct json_object *nodes = conform_get(scenario, "nodes");
	int nmasters = 0;

	*count = (int)json_object_array_length(nodes);
	for (int i = 0; i < *count; ++i)
		nmasters += strcmp(json_object_get_string(json_object_array_get_idx(nodes, (size_t)i)), "master") == 0;
	return cluster->begin(nmasters, *count - nmasters, json_object_get_int(conform_get(scenario, "pfs_nmasters")));
}

static inline enum conform_ended
conform_take(const struct conform_cluster *cluster, struct json_object *step, int count, struct json_object *result)
{
	const char *what = conform_text(step, "do", ""), *name = conform_text(step, "name", "");
	const char *at = conform_text(step, "at", "now"), *content = NULL, *states[CONFORM_MAXCLUSTER + 1] = { NULL };
	int node = atoi(conform_text(step, "node", "0")), client = atoi(conform_text(step, "client", "0"));
	enum conform_ended ended;

	if (strcmp(what, "put") == 0)
		return cluster->put(name, conform_text(step, "content", ""), client);
	if (strcmp(what, "remove") == 0)
		return cluster->remove(name, client);
	if (strcmp(what, "fail") == 0)
		return cluster->fail(node, at);
	if (strcmp(what, "crash") == 0)
		return cluster->crash(node, at);
	if (strcmp(what, "reconnect") == 0)
		return cluster->reconnect(node);
	if (strcmp(what, "replace") == 0 && cluster->replace)
		return cluster->replace(node);
	if (strcmp(what, "resync") == 0)
		return cluster->resync();
	if (strcmp(what, "get") == 0) {
		ended = cluster->get(name, &content, client);
		if (ended == CONFORM_DONE)
			json_object_object_add(result, "content", content ? json_object_new_string(content) : NULL);
		return ended;
	}
	if (strcmp(what, "status") == 0) {
		ended = cluster->status(states);
		states[count] = NULL;
		json_object_object_add(result, "nodes", conform_list(states));
		return ended;
	}
	return CONFORM_SKIPPED;
}

static inline const char *
conform_ending(const char *what, enum conform_ended ended)
{
	if (ended != CONFORM_DONE)
		return ended == CONFORM_REFUSED ? "refused" : "unknown";
	if (strcmp(what, "get") == 0)
		return "read";
	if (strcmp(what, "status") == 0)
		return "shown";
	return strcmp(what, "put") == 0 || strcmp(what, "remove") == 0 ? "acknowledged" : "done";
}

static inline int
conform_drive(const struct conform_port *port, struct json_object *message)
{
	static int count;
	struct json_object *asked, *result = json_object_new_object();
	enum conform_ended ended;
	const char *what = "";

	if (json_object_object_get_ex(message, "scenario", &asked)) {
		ended = conform_begin(port->cluster, asked, &count);
	} else if (json_object_object_get_ex(message, "step", &asked)) {
		what = conform_text(asked, "do", "");
		ended = conform_take(port->cluster, asked, count, result);
	} else {
		json_object_put(result);
		return 0;
	}
	json_object_object_add(result, "ended", json_object_new_string(conform_ending(what, ended)));
	printf("{\"run\":%s,", json_object_get_string(conform_get(message, "run")));
	if (ended == CONFORM_SKIPPED)
		printf("\"skipped\":\"this port does not do that: %s\"}\n", *what ? what : "such a cluster");
	else
		printf("\"result\":%s}\n", json_object_to_json_string(result));
	json_object_put(result);
	return 1;
}

/* As conform_serve(), of one that has a cluster; resolve may be NULL. */
static inline int
conform_serve_cluster(const char *name, const char *version, const char *semantics, conform_resolve_t *resolve,
    const struct conform_cluster *cluster)
{
	struct conform_port port = {
		.name = name, .version = version, .semantics = semantics, .resolve = resolve, .other = conform_drive,
		.cluster = cluster,
	};
	int nparts = 0, ncapabilities = 0;

	if (resolve)
		port.parts[nparts++] = "resolve";
	port.parts[nparts] = "scenarios";
	if (cluster->two_clients)
		port.capabilities[ncapabilities++] = "clients";
	if (cluster->replace)
		port.capabilities[ncapabilities] = "replace";
	return conform_listen(&port);
}

#endif
