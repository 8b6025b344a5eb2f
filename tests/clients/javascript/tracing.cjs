// Runs by every road that the library knows, and how they are read back.
"use strict";

const { randomUUID } = require("node:crypto");
const { Client } = require("langsmith");
const { traceable, getCurrentRunTree } = require("langsmith/traceable");
const { MATERIAL, all, camel, round, sorted } = require("./material.cjs");

const PROJECT = "talk";
const ROADS = "roads";
const NOTES = "The first line.\nThe second.";

/** Trace a turn, a turn that fails and a run with a file; then send runs as a batch, a form and one by one. */
async function write(client, state) {
  state.turn = await turn(client, false);
  state.broken = await turn(client, true);
  state.noted = await noted(client);
  await client.flush();
  await client.awaitPendingTraceBatches();
  const batch = (runs) => client.batchIngestRuns(runs);
  const form = (runs) => client.multipartIngestRuns(runs);
  state.roads = {
    batch: await send(batch),
    form: await send(form),
    "batch, the end first": await sendEndFirst(batch),
    "form, the end first": await sendEndFirst(form),
    "one by one": await sendSingly(),
  };
  return { sent: Object.keys(state.roads).length };
}

/** Read the turn as a tree, the failed turn, the file, the runs of every road, each question and the statistics. */
async function recall(client, state) {
  const root = await client.readRun(state.turn, { loadChildRuns: true });
  const generated = root.child_runs.find((child) => child.name === "generate");
  const { variant, thread_id } = root.extra.metadata;
  const find = (question) => all(client.listRuns({ projectName: PROJECT, ...question }));
  const names = async (question) => (await find(question)).map((run) => run.name);
  return {
    root: [root.name, root.run_type, root.status, root.inputs, root.outputs, root.tags],
    metadata: { variant, thread_id },
    children: root.child_runs.map((child) => [child.name, child.run_type, child.parent_run_id === root.id]),
    tokens: [root, generated].map((run) => [run.prompt_tokens, run.completion_tokens, run.total_tokens]),
    costs: [root, generated].map((run) => Number(run.total_cost)),
    broken: await failure(client, state.broken),
    notes: await notes(client, state.noted),
    roads: await each(state.roads, (id) => road(client, id)),
    answers: await each(MATERIAL.questions, async (question) => sorted(await names(camel(question)))),
    "first of them": (await names({ limit: 2 })).length,
    "by id": await names({ id: [state.noted] }),
    stats: await stats(client),
  };
}

async function each(mapping, change) {
  const pairs = Object.entries(mapping).map(async ([key, value]) => [key, await change(value)]);
  return Object.fromEntries(await Promise.all(pairs));
}

async function turn(client, fail) {
  let runId;
  const search = traceable(() => [{ page_content: "Five days.", type: "Document", metadata: { page: 3 } }], {
    name: "search",
    run_type: "retriever",
  });
  const generate = traceable(
    () => {
      if (fail) throw new Error("the model is gone");
      const usage = { input_tokens: 10, output_tokens: 4, total_tokens: 14 };
      return { text: "Five.", usage_metadata: { ...usage, input_cost: 0.25, output_cost: 0.5, total_cost: 0.75 } };
    },
    { name: "generate", run_type: "llm" },
  );
  const answer = traceable(
    async ({ question }) => {
      runId = getCurrentRunTree().id;
      await search({ question });
      return { answer: (await generate({ question })).text };
    },
    {
      name: fail ? "failed turn" : "turn",
      client,
      project_name: PROJECT,
      tracingEnabled: true,
      tags: ["demo"],
      metadata: { variant: fail ? "b" : "a", thread_id: "t-1" },
    },
  );
  await answer({ question: "How many days may I carry over?" }).catch((error) => {
    if (!fail) throw error;
  });
  return runId;
}

async function noted(client) {
  let runId;
  const read = traceable(
    () => {
      runId = getCurrentRunTree().id;
      return { pages: 2 };
    },
    {
      name: "noted",
      run_type: "tool",
      client,
      project_name: PROJECT,
      tracingEnabled: true,
      extractAttachments: (notes) => [{ notes: ["text/plain", notes] }, {}],
    },
  );
  await read(new TextEncoder().encode(NOTES));
  return runId;
}

function halves() {
  const id = randomUUID();
  const now = new Date().toISOString();
  const order = `${now.replace(/[-:]/g, "").replace(/\.(\d{3})Z/, "$1000Z")}${id}`;
  const place = { id, trace_id: id, dotted_order: order, session_name: ROADS };
  const begun = { ...place, name: "sent", run_type: "chain", inputs: { half: 1 }, start_time: now };
  return [begun, { ...place, outputs: { half: 2 }, end_time: now }];
}

async function send(ingest) {
  const [begun, ended] = halves();
  await ingest({ runCreates: [begun] });
  await ingest({ runUpdates: [ended] });
  return begun.id;
}

async function sendEndFirst(ingest) {
  const [begun, ended] = halves();
  await ingest({ runUpdates: [ended] });
  await ingest({ runCreates: [begun] });
  return begun.id;
}

async function sendSingly() {
  const [begun, ended] = halves();
  const client = new Client({ autoBatchTracing: false });
  const { session_name, ...fields } = begun;
  await client.createRun({ ...fields, project_name: session_name });
  await client.updateRun(ended.id, { outputs: ended.outputs, end_time: ended.end_time });
  return begun.id;
}

async function failure(client, runId) {
  const run = await client.readRun(runId);
  return [run.status, run.error.includes("the model is gone")];
}

async function notes(client, runId) {
  const { presigned_url, mime_type } = (await client.readRun(runId)).s3_urls["attachment.notes"];
  return [mime_type, await (await fetch(presigned_url)).text()];
}

async function road(client, runId) {
  const run = await client.readRun(runId);
  return [run.name, run.status, run.inputs, run.outputs];
}

async function stats(client) {
  const found = await client.getRunStats({ projectNames: [PROJECT], isRoot: true });
  return [found.run_count, found.total_tokens, round(found.error_rate)];
}

module.exports = { write, recall, PROJECT, ROADS };
