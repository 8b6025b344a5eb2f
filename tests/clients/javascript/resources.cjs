// Runs, traces and threads by the second version of the API, and a run that is shared through it.
"use strict";

const { all, sorted } = require("./material.cjs");
const { PROJECT } = require("./tracing.cjs");

const FIELDS = ["NAME", "RUN_TYPE", "STATUS", "OUTPUTS", "TOTAL_TOKENS", "TAGS"];

/** Share a run. */
async function write(client, state) {
  state.talk = (await client.readProject({ projectName: PROJECT })).id;
  const place = { session_id: state.talk, trace_id: state.turn };
  const { share_token } = await client.runs.share.create(state.turn, place);
  state.shared = share_token;
  return { shared: Boolean(share_token) };
}

/** Read runs, traces, threads and the shared run. */
async function recall(client, state) {
  const { turn, shared, talk: project_id } = state;
  const selects = ["NAME"];
  const names = async (items) => sorted((await all(items)).map((one) => one.name));
  const run = await client.runs.retrieve(turn, { project_id, selects: FIELDS });
  const traces = await all(client.traces.query({ project_id, selects: ["NAME", "TOTAL_TOKENS"] }));
  const ofTheTrace = await client.traces.listRuns(turn, { project_id, selects });
  const threads = await all(client.threads.query({ project_id }));
  const open = await client.public.runs.query(shared, { selects });
  await client.runs.share.delete(turn, { session_id: project_id });
  return {
    run: [run.name, run.run_type, run.status, run.outputs, run.total_tokens, run.tags],
    roots: await names(client.runs.query({ project_ids: [project_id], is_root: true, selects, page_size: 2 })),
    traces: sorted(traces.map((one) => one.root_run.name)),
    "of the trace": sorted(ofTheTrace.items.map((one) => one.name)),
    threads: threads.map((one) => [one.thread_id, one.count]),
    turns: await names(client.threads.listTraces("t-1", { project_id, selects })),
    public: sorted(open.items.map((one) => one.name)),
  };
}

module.exports = { write, recall };
