"""The line before a local model: fair among users."""

from __future__ import annotations

from dataclasses import dataclass

from agents.models.engine.line import Line


@dataclass(eq=False)
class Item:
    user: str
    cost: float = 1.0
    name: str = ""


def served(line: Line[Item]) -> list[str]:
    foretold = [item.user for item in line]
    order = [line.pop().user for _ in range(len(line))]
    assert foretold == order
    return order


def line_of(*users: str) -> Line[Item]:
    line: Line[Item] = Line()
    for user in users:
        line.put(Item(user))
    return line


def test_users_take_turns_however_much_they_ask() -> None:
    assert served(line_of("a", "a", "a", "a", "b", "c")) == ["a", "b", "c", "a", "a", "a"]


def test_one_user_is_served_in_order() -> None:
    line: Line[Item] = Line()
    for name in "xyz":
        line.put(Item("a", name=name))
    assert [line.pop().name for _ in range(3)] == ["x", "y", "z"]


def test_long_requests_count_for_more() -> None:
    line: Line[Item] = Line()
    for user, cost in [("long", 3.0), ("long", 3.0), ("short", 1.0), ("short", 1.0), ("short", 1.0), ("short", 1.0)]:
        line.put(Item(user, cost))
    assert served(line) == ["long", "short", "short", "short", "long", "short"]


def test_nobody_saves_up_a_claim() -> None:
    line = line_of(*["a"] * 10)
    for _ in range(8):
        line.pop()
    for _ in range(4):
        line.put(Item("b"))
    assert served(line) == ["a", "b", "a", "b", "b", "b"]


def test_nobodys_place_gets_worse_by_who_comes_anew() -> None:
    line = line_of("a", "b", "c")
    line.pop()
    line.put(Item("a"))
    waiting = [item.user for item in line]
    line.put(Item("new"))
    assert [item.user for item in line] == [*waiting, "new"]


def test_who_comes_anew_stands_before_further_items_of_others() -> None:
    line = line_of("a", "a", "a", "new")
    assert served(line) == ["a", "new", "a", "a"]


def test_who_leaves_is_not_waited_for() -> None:
    line = line_of("a", "b")
    gone = Item("c")
    line.put(gone)
    assert line.remove(gone)
    assert not line.remove(gone)
    assert not line.remove(Item("a"))
    assert served(line) == ["a", "b"]
