/* The calibration model (docs/reference/calibration-model.md) for SPIN, 3 masters and 1 slave, -DT=highest tid.
 * One process; every action with every index is one guarded d_step, so that each is one transition.
 *   spin -a -DT=5 quorum.pml && gcc -O3 -march=native -DSAFETY -DMEMLIM=16000 -o pan pan.c && ./pan -m1000000
 * Breadth first: -DBFS as well. */
#ifndef T
#define T 5
#endif
#ifndef CMIN
#define CMIN 2
#endif
#define UP 0
#define ERR 1
#define GONE 2

byte tid[4];
byte st[4];
bool wd[4];
bool sy[4];
byte tg[4];
bool wr[3];
bool locked;
byte inf;
byte com;

#define V(m) (st[m] != GONE -> tid[m] : 0)
#define TOP(a, b) (a > b -> a : b)
#define Q01 TOP(V(0), V(1))
#define Q TOP(Q01, V(2))
#define VOTE(m) (st[m] != GONE && tid[m] == Q -> 1 : 0)
#define QUORUM (VOTE(0) + VOTE(1) + VOTE(2) >= 2)
#define GOOD(n) (st[n] == UP && tid[n] == Q)
#define FOCUS (GOOD(0) || GOOD(1) || GOOD(2) || GOOD(3))
#define CAND(m) (st[m] == UP && !wd[m] && !sy[m] && !wr[m] && tid[m] == com)
#define ONE(b) (b -> 1 : 0)
#define WRITTEN (wr[0] + wr[1] + wr[2])
#define CANDS (ONE(CAND(0)) + ONE(CAND(1)) + ONE(CAND(2)))

#define FORGET wr[0] = 0; wr[1] = 0; wr[2] = 0
#define FAIL(m) wd[m] = (wr[m] -> 1 : wd[m]); st[m] = (wr[m] && st[m] != GONE -> ERR : st[m])

#define MODIFY(m) \
	:: d_step { locked && inf > 0 && CAND(m) -> tid[m] = inf; wr[m] = 1 } \
	:: d_step { locked && inf > 0 && CAND(m) -> wd[m] = 1; st[m] = ERR }

#define NODE(i, behind) \
	:: d_step { st[i] != GONE -> st[i] = GONE; wd[i] = 1; sy[i] = 0; tg[i] = 0 } \
	:: d_step { st[i] == GONE -> st[i] = UP } \
	:: d_step { st[i] != GONE && !sy[i] && (behind) && QUORUM && FOCUS -> sy[i] = 1; tg[i] = com } \
	:: d_step { sy[i] -> \
		if \
		:: tg[i] == com && inf == 0 -> tid[i] = tg[i]; wd[i] = 0; st[i] = UP \
		:: else \
		fi; \
		sy[i] = 0; tg[i] = 0 }

active proctype cluster() {
	do
	:: d_step { !locked && QUORUM -> locked = 1 }
	:: d_step { locked && inf == 0 && com < T -> inf = com + 1 }
	MODIFY(0)
	MODIFY(1)
	MODIFY(2)
	:: d_step { inf > 0 && WRITTEN >= CMIN -> com = inf; inf = 0; FORGET }
	:: d_step { inf > 0 && WRITTEN + CANDS < CMIN -> FAIL(0); FAIL(1); FAIL(2); inf = 0; FORGET }
	:: d_step { locked && inf == 0 -> locked = 0 }
	NODE(0, wd[0])
	NODE(1, wd[1])
	NODE(2, wd[2])
	NODE(3, wd[3] || tid[3] < com)
	od
}
