"""Solvers' answers: proved, refuted, vacuous, undecided; never anything taken for a proof that is none."""

import os
import signal
import threading
import time

import cvc5
import pytest
import z3

from hammer2_proofs.obligations import SOLVERS, NotReproduced, Obligation, Read, Solver, Status, discharge, script
from hammer2_proofs.values import Bits, Optional, Truth

X, Y = z3.Ints("x y")
P = z3.Bool("p")
BETWEEN = (X > 0, X < 10)


def asked(goal: Truth, *hypotheses: Truth) -> Obligation:
    return Obligation("named", hypotheses, goal, lambda read: f"x is {read(X)}")


def a_hard_question() -> Obligation:
    """A pigeonhole problem that no solver of this kind gets done."""
    holes, pigeons = 11, 12
    sits = [[z3.Bool(f"sits {i} {j}") for j in range(holes)] for i in range(pigeons)]
    somewhere = [z3.Or(*row) for row in sits]
    alone = [
        z3.Or(z3.Not(sits[i][j]), z3.Not(sits[k][j])) for i in range(pigeons) for k in range(i) for j in range(holes)
    ]
    return asked(z3.Not(z3.And(*somewhere, *alone)), X > 0)


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_follows_is_proved(solver: Solver) -> None:
    result = discharge(asked(X * 2 < 20, *BETWEEN), solver)
    assert (result.name, result.solver, result.status, result.detail) == ("named", solver, Status.PROVED, "")
    assert result.seconds >= 0


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_does_not_follow_is_refuted_with_a_counterexample(solver: Solver) -> None:
    result = discharge(asked(X != 7, *BETWEEN), solver)
    assert (result.status, result.detail) == (Status.REFUTED, "x is 7")


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("goal", [True, False, X > 0, P])
def test_hypotheses_that_contradict_each_other_prove_nothing(solver: Solver, goal: Truth) -> None:
    assert discharge(asked(goal, X > 3, X < 3), solver).status is Status.VACUOUS
    assert discharge(asked(goal, False), solver).status is Status.VACUOUS


@pytest.mark.parametrize("solver", SOLVERS)
def test_constants_are_goals_and_hypotheses_too(solver: Solver) -> None:
    assert discharge(asked(True, True), solver).status is Status.PROVED
    assert discharge(asked(False), solver).status is Status.REFUTED


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_that_gives_up_is_undecided(solver: Solver) -> None:
    result = discharge(a_hard_question(), solver, timeout=0.3)
    assert result.status is Status.UNDECIDED
    assert result.detail


@pytest.mark.parametrize("solver", SOLVERS)
def test_hypotheses_that_nobody_can_decide_are_undecided(solver: Solver) -> None:
    hard = a_hard_question()
    assert isinstance(hard.goal, z3.BoolRef)
    result = discharge(Obligation("named", (z3.Not(hard.goal),), True), solver, timeout=0.3)
    assert result.status is Status.UNDECIDED
    assert "hypotheses" in result.detail


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_counterexample_that_python_does_not_confirm_is_no_result(solver: Solver) -> None:
    def deny(read: Read) -> str:
        raise NotReproduced(f"x = {read(X)} is fine")

    with pytest.raises(NotReproduced, match="x = 7 is fine"):
        discharge(Obligation("named", BETWEEN, X != 7, deny), solver)


@pytest.mark.parametrize("solver", SOLVERS)
def test_counterexamples_give_every_kind_of_value(solver: Solver) -> None:
    flags = Bits({0: P, 3: z3.Bool("q")})
    maybe = Optional(z3.Bool("none"), Y)
    whole = (X, P, flags, maybe, (X, maybe), 5, None)
    denied = z3.Not(z3.And(X == -(2**70), P, z3.Bool("q"), z3.Bool("none")))
    result = discharge(Obligation("named", (), denied, lambda read: repr(read(whole))), solver)
    assert result.detail == repr((-(2**70), True, 9, None, (-(2**70), None), 5, None))


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_the_question_does_not_mention_has_some_value(solver: Solver) -> None:
    result = discharge(Obligation("named", (), P, lambda read: repr(read((P, Y)))), solver)
    assert result.detail == "(False, 0)"


@pytest.mark.parametrize("seconds", [0.01, 0.5])
def test_ctrl_c_ends_a_proof(seconds: float) -> None:
    question = a_hard_question()
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        discharge(question, "z3", timeout=60)
    assert time.monotonic() - started < 30


def test_a_script_is_read_by_another_solver_and_always_the_same() -> None:
    text = script([X > 0, z3.Not(P), z3.Int("a b") == X, True])
    assert text == script([X > 0, z3.Not(P), z3.Int("a b") == X, True])
    assert text.startswith("(set-logic ALL)\n")
    assert text.rstrip().endswith("(check-sat)")
    solver = cvc5.Solver(cvc5.TermManager())
    parser = cvc5.InputParser(solver)
    parser.setStringInput(cvc5.InputLanguage.SMT_LIB_2_6, text, "script")
    said = ""
    while not (command := parser.nextCommand()).isNull():
        said += command.invoke(solver, parser.getSymbolManager())
    assert said.strip() == "sat"
