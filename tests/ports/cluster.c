/*
 * A cluster as small as one can be, examined through the harness for C: right, or wrong as it is told.
 *
 *	cluster [HOW]
 *
 * As small_cluster.py: a node has a version on its media, numbered by a tid. Whoever is in step has the last one; if those
 * are too few, the highest version that a majority of the masters shows is stamped anew, on a majority.
 */
#define _POSIX_C_SOURCE 200809L
#include "hammer2_conform_cluster.h"

enum { FILES = 8, LONGEST = 40 };

struct file {
	char	name[LONGEST], content[LONGEST];	/* no name: there is none */
};

struct version {
	int	tid;
	struct file files[FILES];
};

struct node {
	int	is_master, there, in_step, empty;
	char	leaves[8];
	struct version media;
};

static const char *how = "";
static struct node nodes[CONFORM_MAXCLUSTER];
static struct file remembered[2];			/* by each client: what it has written last */
static int count, majority, last_tid;

#define HOW(word)	(strcmp(how, word) == 0)

static struct file *
find(struct version *version, const char *name)
{
	for (int i = 0; i < FILES; ++i)
		if (strcmp(version->files[i].name, name) == 0)
			return &version->files[i];
	return NULL;
}

static void
leave(struct node *node)
{
	node->leaves[0] = '\0';
	node->there = node->in_step = 0;
}

/* Returns whether the version is on the node's media then. */
static int
flush(struct node *node, const struct version *version)
{
	if (strcmp(node->leaves, "flush") == 0) {
		leave(node);
		return 0;
	}
	node->media = *version;
	node->empty = 0;
	return 1;
}

static void
bring(struct node *node, const struct version *version)
{
	if (strcmp(node->leaves, "resync") == 0)
		leave(node);
	else
		node->in_step = flush(node, version);
}

static int
voters(void)
{
	int n = 0;

	for (int i = 0; i < count; ++i)
		n += nodes[i].is_master && nodes[i].there && nodes[i].in_step;
	return n;
}

static enum conform_ended
lose_step(enum conform_ended ended)
{
	for (int i = 0; i < count; ++i)
		nodes[i].in_step = 0;
	return ended;
}

/* Let a majority be in step. */
static enum conform_ended
recover(void)
{
	struct version best = { .tid = -1 };
	int seen = 0;

	if (voters() >= majority)
		return CONFORM_DONE;
	for (int i = 0; i < count; ++i) {
		if (!nodes[i].is_master || !nodes[i].there || (nodes[i].empty && !HOW("empty-votes")))
			continue;
		++seen;
		if (nodes[i].media.tid > best.tid)
			best = nodes[i].media;
	}
	if (seen < majority)
		return CONFORM_REFUSED;
	best.tid = ++last_tid;
	for (int i = 0; i < count; ++i)
		if (nodes[i].there)
			bring(&nodes[i], &best);
	return voters() < majority ? lose_step(CONFORM_REFUSED) : CONFORM_DONE;
}

static struct version *
last(void)
{
	for (int i = 0; i < count; ++i)
		if (nodes[i].is_master && nodes[i].there && nodes[i].in_step)
			return &nodes[i].media;
	return NULL;
}

static enum conform_ended
change(const char *name, const char *content)
{
	enum conform_ended ended = recover();
	struct version version;
	struct file *file;
	int done = 0;

	if (ended != CONFORM_DONE)
		return ended;
	version = *last();
	version.tid = ++last_tid;
	file = find(&version, name);
	if (file == NULL)
		file = find(&version, "");
	snprintf(file->name, LONGEST, "%s", content ? name : "");
	snprintf(file->content, LONGEST, "%s", content ? content : "");
	for (int i = 0; i < count; ++i) {
		if (nodes[i].in_step && nodes[i].is_master)
			done += flush(&nodes[i], &version);
		nodes[i].in_step &= nodes[i].is_master;		/* slaves are resynchronized */
	}
	return done < majority && !HOW("early") ? lose_step(CONFORM_UNKNOWN) : CONFORM_DONE;
}

static enum conform_ended
begin(int nmasters, int nslaves, int pfs_nmasters)
{
	memset(nodes, 0, sizeof(nodes));
	memset(remembered, 0, sizeof(remembered));
	count = nmasters + nslaves;
	majority = pfs_nmasters / 2 + 1;
	last_tid = 0;
	for (int i = 0; i < count; ++i) {
		nodes[i].is_master = i < nmasters;
		nodes[i].there = nodes[i].in_step = 1;
	}
	return CONFORM_DONE;
}

static enum conform_ended
put(const char *name, const char *content, int client)
{
	enum conform_ended ended = change(name, content);

	if (ended == CONFORM_DONE) {
		snprintf(remembered[client].name, LONGEST, "%s", name);
		snprintf(remembered[client].content, LONGEST, "%s", content);
	}
	return ended;
}

static enum conform_ended
remove_file(const char *name, int client)
{
	if (HOW("skips"))
		return CONFORM_SKIPPED;
	remembered[client].name[0] = '\0';
	return change(name, NULL);
}

static enum conform_ended
get(const char *name, const char **content, int client)
{
	enum conform_ended ended = recover();
	struct file *file = ended == CONFORM_DONE ? find(last(), name) : NULL;

	if (HOW("cached") && strcmp(remembered[client].name, name) == 0)
		file = &remembered[client];
	*content = file ? file->content : NULL;
	return ended;
}

static enum conform_ended
fail(int node, const char *at)
{
	if (strcmp(at, "now") == 0)
		leave(&nodes[node]);
	else if (nodes[node].there)
		snprintf(nodes[node].leaves, sizeof(nodes[node].leaves), "%s", at);
	return CONFORM_DONE;
}

static enum conform_ended
reconnect(int node)
{
	nodes[node].there = 1;
	nodes[node].leaves[0] = '\0';
	return CONFORM_DONE;
}

static enum conform_ended
replace(int node)
{
	nodes[node] = (struct node){ .is_master = nodes[node].is_master, .there = 1, .empty = 1 };
	return CONFORM_DONE;
}

static enum conform_ended
resync(void)
{
	enum conform_ended ended = recover();
	struct version source;

	if (ended != CONFORM_DONE)
		return ended;
	source = *last();
	for (int i = 0; i < count; ++i)
		if (nodes[i].there && !nodes[i].in_step)
			bring(&nodes[i], &source);
	return voters() < majority ? CONFORM_REFUSED : CONFORM_DONE;
}

static enum conform_ended
status(const char **states)
{
	for (int i = 0; i < count; ++i) {
		states[i] = nodes[i].in_step ? "synchronized" : nodes[i].there ? "behind" : "away";
		if (HOW("forgets"))
			states[i] = "synchronized";
	}
	return CONFORM_DONE;
}

int
main(int argc, char **argv)
{
	struct conform_cluster cluster = {
		.begin = begin, .put = put, .remove = remove_file, .get = get, .fail = fail, .crash = fail,
		.reconnect = reconnect, .replace = replace, .resync = resync, .status = status, .two_clients = 1,
	};

	how = argc > 1 ? argv[1] : "";
	if (HOW("one-client")) {
		cluster.replace = NULL;
		cluster.two_clients = 0;
	}
	return conform_serve_cluster("small cluster", "1", "repaired", NULL, &cluster);
}
