------------------------------- MODULE quorum -------------------------------
(* The calibration model (docs/reference/calibration-model.md) for TLC: nodes 0 .. N-1 are masters, the S after them  *)
(* slaves, T is the highest tid, CMIN what a commit needs. The file quorum.cfg has 3 masters, 1 slave and tids up to  *)
(* 5. With the Java archive tla2tools.jar:                                                                            *)
(*   java -XX:+UseParallelGC -cp tla2tools.jar tlc2.TLC -deadlock -workers 1 -config quorum.cfg quorum.tla            *)
EXTENDS Naturals, FiniteSets

CONSTANTS N, S, T, CMIN

VARIABLES tid, st, wd, sy, tg, wr, locked, inf, com

vars == <<tid, st, wd, sy, tg, wr, locked, inf, com>>

Masters == 0 .. N - 1
Nodes == 0 .. N + S - 1
Majority == N \div 2 + 1

Present == {m \in Masters : st[m] # "GONE"}
Highest == IF Present = {} THEN 0 ELSE tid[CHOOSE m \in Present : \A o \in Present : tid[o] <= tid[m]]
Agreeing(q) == {m \in Present : tid[m] = q}
Quorum == Cardinality(Agreeing(Highest)) >= Majority
Good == LET q == Highest IN {n \in Nodes : st[n] = "UP" /\ tid[n] = q}
Candidate(m) == st[m] = "UP" /\ ~wd[m] /\ ~sy[m] /\ m \notin wr /\ tid[m] = com
Candidates == {m \in Masters : Candidate(m)}
(* A set, not "\/" or "\E" in a guard: TLC would take the step once for each way in which that is true.             *)
Behind == {n \in Nodes : wd[n] \/ (n \notin Masters /\ tid[n] < com)}

Init ==
    /\ tid = [n \in Nodes |-> 0]
    /\ st = [n \in Nodes |-> "UP"]
    /\ wd = [n \in Nodes |-> FALSE]
    /\ sy = [n \in Nodes |-> FALSE]
    /\ tg = [n \in Nodes |-> 0]
    /\ wr = {}
    /\ locked = FALSE
    /\ inf = 0
    /\ com = 0

Lock ==
    /\ ~locked
    /\ Quorum
    /\ locked' = TRUE
    /\ UNCHANGED <<tid, st, wd, sy, tg, wr, inf, com>>

Begin ==
    /\ locked /\ inf = 0 /\ com < T
    /\ inf' = com + 1
    /\ wr' = {}
    /\ UNCHANGED <<tid, st, wd, sy, tg, locked, com>>

ModifyNode(m) ==
    /\ locked /\ inf > 0 /\ Candidate(m)
    /\ tid' = [tid EXCEPT ![m] = inf]
    /\ wr' = wr \cup {m}
    /\ UNCHANGED <<st, wd, sy, tg, locked, inf, com>>

ModifyFail(m) ==
    /\ locked /\ inf > 0 /\ Candidate(m)
    /\ wd' = [wd EXCEPT ![m] = TRUE]
    /\ st' = [st EXCEPT ![m] = "ERR"]
    /\ UNCHANGED <<tid, sy, tg, wr, locked, inf, com>>

Commit ==
    /\ inf > 0
    /\ Cardinality(wr) >= CMIN
    /\ com' = inf
    /\ inf' = 0
    /\ wr' = {}
    /\ UNCHANGED <<tid, st, wd, sy, tg, locked>>

Abort ==
    /\ inf > 0
    /\ Cardinality(wr) + Cardinality(Candidates) < CMIN
    /\ wd' = [n \in Nodes |-> wd[n] \/ n \in wr]
    /\ st' = [n \in Nodes |-> IF n \in wr /\ st[n] # "GONE" THEN "ERR" ELSE st[n]]
    /\ inf' = 0
    /\ wr' = {}
    /\ UNCHANGED <<tid, sy, tg, locked, com>>

Unlock ==
    /\ locked /\ inf = 0
    /\ locked' = FALSE
    /\ UNCHANGED <<tid, st, wd, sy, tg, wr, inf, com>>

Disconnect(i) ==
    /\ st[i] # "GONE"
    /\ st' = [st EXCEPT ![i] = "GONE"]
    /\ wd' = [wd EXCEPT ![i] = TRUE]
    /\ sy' = [sy EXCEPT ![i] = FALSE]
    /\ tg' = [tg EXCEPT ![i] = 0]
    /\ UNCHANGED <<tid, wr, locked, inf, com>>

Reconnect(i) ==
    /\ st[i] = "GONE"
    /\ st' = [st EXCEPT ![i] = "UP"]
    /\ UNCHANGED <<tid, wd, sy, tg, wr, locked, inf, com>>

SyncBegin(i) ==
    /\ st[i] # "GONE" /\ ~sy[i]
    /\ i \in Behind
    /\ Quorum /\ Good # {}
    /\ sy' = [sy EXCEPT ![i] = TRUE]
    /\ tg' = [tg EXCEPT ![i] = com]
    /\ UNCHANGED <<tid, st, wd, wr, locked, inf, com>>

SyncFinish(i) ==
    /\ sy[i]
    /\ IF tg[i] = com /\ inf = 0
       THEN /\ tid' = [tid EXCEPT ![i] = tg[i]]
            /\ wd' = [wd EXCEPT ![i] = FALSE]
            /\ st' = [st EXCEPT ![i] = "UP"]
       ELSE UNCHANGED <<tid, wd, st>>
    /\ sy' = [sy EXCEPT ![i] = FALSE]
    /\ tg' = [tg EXCEPT ![i] = 0]
    /\ UNCHANGED <<wr, locked, inf, com>>

Next ==
    \/ Lock
    \/ Begin
    \/ \E m \in Masters : ModifyNode(m)
    \/ \E m \in Masters : ModifyFail(m)
    \/ Commit
    \/ Abort
    \/ Unlock
    \/ \E i \in Nodes : Disconnect(i)
    \/ \E i \in Nodes : Reconnect(i)
    \/ \E i \in Nodes : SyncBegin(i)
    \/ \E i \in Nodes : SyncFinish(i)

Spec == Init /\ [][Next]_vars

CommittedIsInTheQuorum == (Quorum /\ inf = 0 /\ ~locked) => Highest >= com
=============================================================================
