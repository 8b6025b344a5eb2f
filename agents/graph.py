"""One turn: admit → input rails → assign → recall → plan → (retrieve → quote → reuse → generate) → cite → record.

The output rails are not a node after `generate`: they are a stage of its stream, since a node that follows it
would judge words that the user has already read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime
from langgraph.types import TracePolicy, omit_payload

from agents.nodes.admit import admit
from agents.nodes.assign import assign
from agents.nodes.cite import cite
from agents.nodes.generate import generate
from agents.nodes.input_rails import input_rails
from agents.nodes.plan import chat, plan, route
from agents.nodes.quote import answered, quote
from agents.nodes.recall import recall
from agents.nodes.record import record
from agents.nodes.retrieve import retrieve
from agents.nodes.reuse import reuse, reused
from agents.state import Turn, TurnState

TurnGraph = CompiledStateGraph[TurnState, Turn, TurnState, TurnState]
Node = Callable[[TurnState, Runtime[Turn]], Awaitable[TurnState | None]]
# A node's input is the whole state, which its predecessors' outputs already show; recording it again would
# multiply every passage by the number of stages.
_TRACED = TracePolicy(process_inputs=omit_payload)


def build_graph(checkpointer: BaseCheckpointSaver) -> TurnGraph:
    """Compile the turn; threads are kept by the checkpointer."""
    graph = StateGraph(TurnState, context_schema=Turn)
    for node in (admit, input_rails, assign, recall, plan, chat, retrieve, quote, reuse, generate, cite, record):
        graph.add_node(node.__name__, timed(node), trace_policy=_TRACED)
    for before, after in [
        (START, "admit"),
        ("admit", "input_rails"),
        ("input_rails", "assign"),
        ("assign", "recall"),
        ("recall", "plan"),
        ("chat", "record"),
        ("retrieve", "quote"),
        ("generate", "cite"),
        ("cite", "record"),
        ("record", END),
    ]:
        graph.add_edge(before, after)
    graph.add_conditional_edges("plan", route, {"small_talk": "chat", "documents": "retrieve"})
    graph.add_conditional_edges("quote", answered, {True: "reuse", False: "cite"})
    graph.add_conditional_edges("reuse", reused, {True: "cite", False: "generate"})
    return graph.compile(checkpointer=checkpointer)


def timed(node: Node) -> Any:
    """The node, with its time written into the turn's record."""

    async def run(state: TurnState, runtime: Runtime[Turn]) -> TurnState | None:
        with runtime.context.stage(node.__name__):
            return await node(state, runtime)

    return run
