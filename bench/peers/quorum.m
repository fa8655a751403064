-- The calibration model (docs/reference/calibration-model.md) for rumur, 3 masters and 1 slave; T is the highest tid.
--   rumur --symmetry-reduction off --output quorum.c quorum.m && gcc -O3 -march=native -mcx16 -o quorum quorum.c -lpthread
const
  N: 3;
  S: 1;
  T: 5;
  CMIN: 2;

type
  node: 0 .. N + S - 1;
  tid_t: 0 .. T;
  status: enum { UP, ERR, GONE };

var
  tid: array [node] of tid_t;
  st: array [node] of status;
  wd: array [node] of boolean;
  sy: array [node] of boolean;
  tg: array [node] of tid_t;
  wr: array [node] of boolean;
  locked: boolean;
  inflight: tid_t;
  com: tid_t;

function highest(): tid_t;
var q: tid_t;
begin
  q := 0;
  for i: node do
    if i < N & st[i] != GONE & tid[i] > q then q := tid[i]; end;
  end;
  return q;
end;

function quorum(): boolean;
var q: tid_t; votes: 0 .. N;
begin
  q := highest();
  votes := 0;
  for i: node do
    if i < N & st[i] != GONE & tid[i] = q then votes := votes + 1; end;
  end;
  return votes >= 2;
end;

function focus(): boolean;
var q: tid_t;
begin
  q := highest();
  for i: node do
    if st[i] = UP & tid[i] = q then return true; end;
  end;
  return false;
end;

function candidate(i: node): boolean;
begin
  return i < N & st[i] = UP & !wd[i] & !sy[i] & !wr[i] & tid[i] = com;
end;

function written(): 0 .. N;
var many: 0 .. N;
begin
  many := 0;
  for i: node do if wr[i] then many := many + 1; end; end;
  return many;
end;

function candidates(): 0 .. N;
var many: 0 .. N;
begin
  many := 0;
  for i: node do if candidate(i) then many := many + 1; end; end;
  return many;
end;

startstate
begin
  for i: node do
    tid[i] := 0; st[i] := UP; wd[i] := false; sy[i] := false; tg[i] := 0; wr[i] := false;
  end;
  locked := false; inflight := 0; com := 0;
end;

rule "Lock" !locked & quorum() ==> begin locked := true; end;
rule "Begin" locked & inflight = 0 & com < T ==> begin inflight := com + 1; end;

ruleset i: node do
  rule "ModifyNode" locked & inflight > 0 & candidate(i) ==> begin tid[i] := inflight; wr[i] := true; end;
  rule "ModifyFail" locked & inflight > 0 & candidate(i) ==> begin wd[i] := true; st[i] := ERR; end;
end;

rule "Commit" inflight > 0 & written() >= CMIN ==>
begin
  com := inflight; inflight := 0;
  for i: node do wr[i] := false; end;
end;

rule "Abort" inflight > 0 & written() + candidates() < CMIN ==>
begin
  for i: node do
    if wr[i] then
      wd[i] := true;
      if st[i] != GONE then st[i] := ERR; end;
      wr[i] := false;
    end;
  end;
  inflight := 0;
end;

rule "Unlock" locked & inflight = 0 ==> begin locked := false; end;

ruleset i: node do
  rule "Disconnect" st[i] != GONE ==>
  begin st[i] := GONE; wd[i] := true; sy[i] := false; tg[i] := 0; end;
  rule "Reconnect" st[i] = GONE ==> begin st[i] := UP; end;
  rule "SyncBegin" st[i] != GONE & !sy[i] & (wd[i] | (i >= N & tid[i] < com)) & quorum() & focus() ==>
  begin sy[i] := true; tg[i] := com; end;
  rule "SyncFinish" sy[i] ==>
  begin
    if tg[i] = com & inflight = 0 then tid[i] := tg[i]; wd[i] := false; st[i] := UP; end;
    sy[i] := false; tg[i] := 0;
  end;
end;

invariant "a quorum of an unlocked cluster has what is committed"
  (quorum() & inflight = 0 & !locked) -> highest() >= com;
