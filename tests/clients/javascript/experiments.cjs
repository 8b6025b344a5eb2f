// `evaluate` over the dataset, twice.
"use strict";

const { evaluate } = require("langsmith/evaluation");
const { NAME } = require("./datasets.cjs");
const { all, round, sorted } = require("./material.cjs");

const CAPITALS = { France: "Paris!", Nauru: "none" };

/** Run two experiments: one that knows two of three capitals, and one that knows none. */
async function write(client, state) {
  const settings = {
    data: NAME,
    evaluators: [right],
    summaryEvaluators: [share],
    metadata: { model: "none" },
    client,
    maxConcurrency: 2,
  };
  const knowing = await evaluate(knows, { ...settings, experimentPrefix: "knowing", description: "Knows two." });
  const ignorant = await evaluate(guesses, { ...settings, experimentPrefix: "ignorant" });
  await client.awaitPendingTraceBatches();
  state.experiments = [knowing.experimentName, ignorant.experimentName];
  return { rows: sorted(knowing.results.map(scores)), named: state.experiments.map(prefix) };
}

/** Read the experiments as projects of the dataset, their runs and what was judged. */
async function recall(client, state) {
  const found = await all(client.listProjects({ referenceDatasetId: state.dataset }));
  return {
    found: sorted(found.map((one) => prefix(one.name))),
    each: [await experiment(client, state.experiments[0]), await experiment(client, state.experiments[1])],
  };
}

function knows({ country }) {
  return { capital: CAPITALS[country] ?? null };
}

async function guesses() {
  return { capital: "London" };
}

function right({ outputs, referenceOutputs }) {
  return { key: "right", score: Number(outputs.capital === referenceOutputs.capital), comment: "Compared." };
}

function share({ outputs, referenceOutputs }) {
  const hits = outputs.filter((one, at) => one.capital === referenceOutputs[at].capital);
  return { key: "share", score: round(hits.length / outputs.length) };
}

function prefix(name) {
  return name.split("-")[0];
}

function scores({ run, example, evaluationResults }) {
  return [example.inputs.country, run.outputs.capital, evaluationResults.results[0].score];
}

async function experiment(client, projectName) {
  const project = await client.readProject({ projectName, includeStats: true });
  const runs = await all(client.listRuns({ projectName, isRoot: true }));
  const judged = await all(client.listFeedback({ runIds: runs.map((run) => run.id), feedbackKeys: ["right"] }));
  const judges = [...new Set(judged.map((one) => one.feedback_source.metadata.__run.run_id))];
  const judging = await all(client.listRuns({ projectName: "evaluators", id: judges }));
  const numbers = (stats) => [stats.n, stats.avg].map(round);
  return {
    runs: [project.run_count, runs.length, new Set(runs.map((run) => run.reference_example_id)).size],
    metadata: [project.extra.metadata.model, Boolean(project.extra.metadata.dataset_version)],
    right: numbers(project.feedback_stats.right),
    share: numbers(project.session_feedback_stats.share),
    "judged by a model": sorted(new Set(judged.map((one) => one.feedback_source.type))),
    "judging runs": judging.map((run) => run.status),
  };
}

module.exports = { write, recall };
