// Runs and datasets, shared by a link and taken back.
"use strict";

const { refusal, sorted } = require("./material.cjs");

/** Share a run and a dataset. */
async function write(client, state) {
  const before = await isShared(client, state.turn);
  const link = await client.shareRun(state.turn);
  state.run_token = link.split("/").at(-2);
  state.dataset_token = (await client.shareDataset(state.dataset)).share_token;
  return {
    before,
    after: await isShared(client, state.turn),
    link: (await client.readRunSharedLink(state.turn)) === link,
  };
}

/** Read them by their tokens alone, take them back, and find nothing. */
async function recall(client, state) {
  const token = state.dataset_token;
  const seen = {
    dataset: (await client.readSharedDataset(token)).name,
    examples: sorted((await client.listSharedExamples(token)).map((one) => one.inputs.country)),
  };
  await client.unshareRun(state.turn);
  await client.unshareDataset(state.dataset);
  return {
    ...seen,
    "shared still": await isShared(client, state.turn),
    "dataset, after": await refusal(() => client.readSharedDataset(token)),
  };
}

async function isShared(client, runId) {
  return (await client.readRunSharedLink(runId)) !== undefined;
}

module.exports = { write, recall };
