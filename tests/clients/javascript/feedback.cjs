// Judgements on runs and projects, with and without a key.
"use strict";

const { randomUUID } = require("node:crypto");
const { all, eventually, refusal, sorted } = require("./material.cjs");
const { PROJECT } = require("./tracing.cjs");

/** Judge a run in the background and at once, change a judgement, take one back, and judge by a signed address. */
async function write(client, state) {
  const runId = state.turn;
  const projectId = (await client.readProject({ projectName: PROJECT })).id;
  const ids = Object.fromEntries(["right", "tone", "slip", "whole"].map((name) => [name, randomUUID()]));
  state.feedback = ids;
  await client.createFeedback(runId, "right", {
    score: 1,
    comment: "Good.",
    traceId: runId,
    sessionId: projectId,
    feedbackId: ids.right,
  });
  await client.createFeedback(runId, "tone", {
    value: "formal",
    correction: { tone: "warm" },
    feedbackId: ids.tone,
    feedbackSourceType: "model",
    sourceRunId: state.noted,
  });
  await client.createFeedback(runId, "slip", { score: 0, feedbackId: ids.slip });
  await client.createFeedback(null, "whole", { score: 0.25, projectId, feedbackId: ids.whole });
  await client.flush();
  await client.awaitPendingTraceBatches();
  await client.updateFeedback(ids.tone, { score: 0.5, comment: "Changed." });
  await client.deleteFeedback(ids.slip);
  const token = await client.createPresignedFeedbackToken(runId, "thumb");
  await answer(token.url, { score: 1, comment: "By the address." });
  return {
    judged: await eventually(
      () => judgements(client, runId),
      (found) => found.length === 3,
    ),
    "taken back": await refusal(() => client.readFeedback(ids.slip)),
    tokens: (await all(client.listPresignedFeedbackTokens(runId))).length,
  };
}

/** Read the judgements one by one, as lists, and as statistics of the run and the project. */
async function recall(client, state) {
  const runIds = [state.turn];
  const tone = await client.readFeedback(state.feedback.tone);
  const source = tone.feedback_source;
  const stats = (await client.readRun(state.turn)).feedback_stats;
  const whole = (await client.readProject({ projectName: PROJECT, includeStats: true })).session_feedback_stats.whole;
  const keys = async (question) => (await all(client.listFeedback({ runIds, ...question }))).map((one) => one.key);
  const filter = 'and(eq(feedback_key, "right"), gte(feedback_score, 1))';
  return {
    judged: await judgements(client, state.turn),
    tone: [tone.value, tone.score, tone.comment, tone.correction, source.type],
    "source run": source.metadata.__run.run_id === state.noted,
    "by key": await keys({ feedbackKeys: ["right"] }),
    "by source": await keys({ feedbackSourceTypes: ["model"] }),
    stats: Object.fromEntries(Object.entries(stats).map(([key, one]) => [key, [one.n, one.avg]])),
    whole: [whole.n, whole.avg],
    filtered: (await all(client.listRuns({ projectName: PROJECT, filter }))).map((run) => run.name),
  };
}

async function judgements(client, runId) {
  const found = await all(client.listFeedback({ runIds: [runId] }));
  return sorted(found.map((one) => [one.key, one.score, one.comment]));
}

// The library signs addresses for browsers, and has no method of its own to use one.
async function answer(url, fields) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(fields) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
}

module.exports = { write, recall };
