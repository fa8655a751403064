/*
 * A port of hammer2_cluster_resolve() to be examined: the original as it stands, or one that is wrong as it is told.
 *
 *	port [HOW]
 *
 * Mistakes in the decision are numbered 1.. as in WRONG below; other words say how the protocol is broken.
 */
#define _POSIX_C_SOURCE 200809L
#include <signal.h>
#include <unistd.h>
#include "hammer2_conform.h"

enum { SLAVE = 3, SOFT_SLAVE = 4, SOFT_MASTER = 5, MASTER = 6, SUPROOT = 8 };
enum {
	WRHARD = 0x100, RDHARD = 0x200, WRSOFT = 0x400, RDSOFT = 0x800, MSYNCED = 0x1000, SSYNCED = 0x2000,
	ZFLAGS = 0x3F00
};

static int wrong;		/* which mistake is made, 0: none */
#define WRONG(n, mistake, right)	(wrong == (n) ? (mistake) : (right))

static void
decide(const struct conform_question *q, struct conform_answer *a)
{
	uint64_t quorum_tid = 0;
	uint32_t nflags = 0;
	int focus_pfs_type = 0, nmasters = 0, ttlmasters = 0, nslaves = 0, ttlslaves = 0, nquorum, goes_on, i;

	a->focus = WRONG(1, CONFORM_NO_FOCUS, q->focus);			/* statement deleted */
	a->flags = q->flags;
	if (q->pfs_nmasters == CONFORM_NO_PFS && q->nchains > 0) {
		a->outcome = "kkassert:L408";
		return;
	}
	if (wrong == 11)							/* fewer bits */
		nquorum = (int8_t)q->pfs_nmasters / 2 + 1;
	else
		nquorum = q->pfs_nmasters == CONFORM_NO_PFS ? 0 : WRONG(2, (q->pfs_nmasters + 1) / 2, q->pfs_nmasters / 2 + 1);

	for (i = 0; i < q->nchains; ++i) {
		const struct conform_slot *chain = &q->slots[i];

		if (!chain->present)
			continue;
		switch (WRONG(13, chain->pfs_type & 15, chain->pfs_type)) {
		case MASTER:
			++ttlmasters;
			if (wrong == 12 && nmasters)					/* signed */
				goes_on = (int64_t)quorum_tid < (int64_t)chain->mirror_tid;
			else
				goes_on = WRONG(3, quorum_tid <= chain->mirror_tid, quorum_tid < chain->mirror_tid);
			if (goes_on || nmasters == 0) {
				nmasters = 1;
				quorum_tid = WRONG(4, (uint32_t)chain->mirror_tid, chain->mirror_tid);
			} else if (quorum_tid == chain->mirror_tid)
				++nmasters;
			break;
		case SLAVE:
			++ttlslaves;
			break;
		case SOFT_MASTER:
			nflags |= WRSOFT | RDSOFT;
			break;
		case SOFT_SLAVE:
			nflags |= WRONG(5, WRSOFT, RDSOFT);
			break;
		case SUPROOT:
			nflags |= WRHARD | RDHARD;
			a->focus = i;
			a->error = chain->error;
			break;
		}
	}
	for (i = 0; i < q->nchains; ++i) {
		const struct conform_slot *chain = &q->slots[i];
		int believed;

		if (!chain->present)
			continue;
		believed = nmasters >= WRONG(14, nquorum > 5 ? 5 : nquorum, nquorum) &&
		    WRONG(15, (uint8_t)chain->error, chain->error) == 0 && quorum_tid == chain->mirror_tid;
		if (wrong == 6)							/* operand dropped */
			believed = nmasters >= nquorum && quorum_tid == chain->mirror_tid;
		switch (chain->pfs_type) {
		case MASTER:
			if (!believed)
				break;
			nflags |= WRHARD | RDHARD;
			if (WRONG(7, 0, a->focus == CONFORM_NO_FOCUS) || focus_pfs_type == SLAVE) {
				focus_pfs_type = MASTER;
				a->focus = i;
				a->error = chain->error;
			}
			break;
		case SLAVE:
			if (!believed)
				break;
			++nslaves;
			nflags |= RDHARD;
			if (a->focus == CONFORM_NO_FOCUS) {
				focus_pfs_type = SLAVE;
				a->focus = i;
				a->error = chain->error;
			}
			break;
		case SOFT_MASTER:
			if (focus_pfs_type == SOFT_MASTER) {
				a->outcome = "kkassert:L510";
				return;
			}
			a->focus = i;
			a->error = WRONG(8, 0, chain->error);
			focus_pfs_type = SOFT_MASTER;
			break;
		case SOFT_SLAVE:
			if (focus_pfs_type == SOFT_SLAVE) {
				a->outcome = "kkassert:L520";
				return;
			}
			if (focus_pfs_type != SOFT_MASTER) {
				a->focus = i;
				a->error = chain->error;
				focus_pfs_type = SOFT_SLAVE;
			}
			break;
		}
	}
	if (WRONG(9, nslaves >= 1, nslaves == ttlslaves))
		nflags |= SSYNCED;
	if (nmasters == ttlmasters)
		nflags |= MSYNCED;
	a->flags = WRONG(10, q->flags | nflags, (q->flags & ~(uint32_t)ZFLAGS) | nflags);
}

static const char *how = "";

static void
decide_or_not(const struct conform_question *q, struct conform_answer *a)
{
	static int decided;

	if (++decided == 100 && strcmp(how, "silent") == 0)
		sleep(60);
	if (decided == 100 && strcmp(how, "slow") == 0) {
		fflush(stdout);		/* the beginning of an answer */
		sleep(60);
	}
	if (decided == 100 && strcmp(how, "crash") == 0)
		raise(SIGSEGV);
	decide(q, a);
	if (decided == 100 && strcmp(how, "garbled") == 0)
		printf("debugging\n");
	if (strcmp(how, "abort") == 0 && strcmp(a->outcome, "ok") != 0)
		abort();		/* as a kernel does */
}

int
main(int argc, char **argv)
{
	if (argc > 1)
		how = argv[1];
	wrong = atoi(how);
	if (strcmp(how, "version") == 0) {
		printf("{\"started\":{\"protocol\":2,\"name\":\"port\",\"language\":\"C\",\"version\":\"1\","
		    "\"parts\":[\"resolve\"],\"semantics\":\"seed\"}}\n");
		fflush(stdout);
	}
	return conform_serve("port", "1", strcmp(how, "repaired") == 0 ? "repaired" : "seed", decide_or_not);
}
