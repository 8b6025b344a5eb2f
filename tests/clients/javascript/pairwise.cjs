// The two experiments against each other.
"use strict";

const { evaluate } = require("langsmith/evaluation");
const { all, sorted } = require("./material.cjs");

/** Prefer, for each example, the longer answer. */
async function write(client, state) {
  const { results } = await evaluate(state.experiments, {
    evaluators: [prefer],
    client,
    experimentPrefix: "duel",
    maxConcurrency: 2,
  });
  await client.awaitPendingTraceBatches();
  return { compared: results.length };
}

/** Read the preferences: one of two for each example, of one comparison. */
async function recall(client, state) {
  const runs = await all(client.listRuns({ projectName: state.experiments, isRoot: true }));
  const found = await all(client.listFeedback({ runIds: runs.map((run) => run.id), feedbackKeys: ["preferred"] }));
  const distinct = (name) => new Set(found.map((one) => one[name]).filter(Boolean)).size;
  return {
    scores: sorted(found.map((one) => one.score)),
    comparisons: distinct("comparative_experiment_id"),
    groups: distinct("feedback_group_id"),
  };
}

function prefer({ runs }) {
  const ranked = [...runs].sort((one, other) => length(other) - length(one) || (one.id < other.id ? 1 : -1));
  return { key: "preferred", scores: Object.fromEntries(ranked.map((run, at) => [run.id, at === 0 ? 1 : 0])) };
}

function length(run) {
  return run.outputs?.capital?.length ?? 0;
}

module.exports = { write, recall };
