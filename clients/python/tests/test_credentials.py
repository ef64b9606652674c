"""The table of credentials, by itself and through each framework."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator

import pytest
from apps import Serving, guarded_app, required_app, serving
from program import CASES, PATIENCE, TABLE, Program, ask

from keyward import Keyward, Verdict
from keyward.credentials import find


def expected(case: Dict[str, Any]) -> Dict[str, Any]:
    found: Dict[str, Any] = TABLE["rejections"][case["rejected"]]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_key_of_a_request_is_found_as_by_keyward(case: Dict[str, Any]) -> None:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in case["lines"]]
    found = find(lines)
    if isinstance(found, Verdict):
        rejection = expected(case)
        assert (found.status, found.detail) == (rejection["status"], rejection["detail"])
        assert found.headers == {"WWW-Authenticate": rejection["challenge"]}
    else:
        assert found == case["key"]


@pytest.fixture(scope="module")
def names(program: Program) -> Dict[str, str]:
    return program.take_in_cases()


@pytest.fixture(scope="module", params=["Require", "Guard"])
def served(request: pytest.FixtureRequest, program: Program) -> Iterator[Serving]:
    # Each with another parser of HTTP.
    app, http = {"Require": (required_app, "h11"), "Guard": (guarded_app, "httptools")}[request.param]
    with serving(app(Keyward(program.url, timeout=PATIENCE)), http) as started:
        yield started


def test_each_request_of_the_table_gets_the_response_of_keyward(
    program: Program, served: Serving, names: Dict[str, str]
) -> None:
    for case in (case for case in CASES if not case.get("unsendable")):
        ours = ask(served.address, "/whoami", case["lines"])
        theirs = ask(program.public, "/key", case["lines"])
        assert ours.status == theirs.status, case
        if "key" in case:
            assert json.loads(ours.body)["name"] == names[case["key"]], case
            assert json.loads(theirs.body)["name"] == names[case["key"]], case
        else:
            rejection = expected(case)
            assert ours.status == rejection["status"], case
            assert ours.body == theirs.body, case
            assert json.loads(ours.body) == {"detail": rejection["detail"]}
            assert ours.headers["Cache-Control"] == theirs.headers["Cache-Control"], case
        for header in ["WWW-Authenticate", "Content-Type", "Vary"]:
            assert ours.headers[header] == theirs.headers[header], (case, header)


def test_a_byte_that_no_line_may_contain_is_never_let_in(served: Serving) -> None:
    for case in (case for case in CASES if case.get("unsendable")):
        assert ask(served.address, "/whoami", case["lines"]).status in (400, 401), case
