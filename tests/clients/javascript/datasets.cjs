// Datasets: examples with files and splits, a schema that refuses, versions and their tags, a CSV file.
"use strict";

const { randomUUID } = require("node:crypto");
const { MATERIAL, all, refusal, sorted } = require("./material.cjs");

const NAME = "capitals";
const MAP = ["text/plain", new TextEncoder().encode("A map of France.")];

/** Make a dataset, tag its first version, then change it in every way; upload a table; drop a third dataset. */
async function write(client, state) {
  const dataset = await client.createDataset(NAME, {
    description: "Of countries.",
    inputsSchema: MATERIAL.inputs_schema,
    metadata: { team: "a" },
  });
  const datasetId = dataset.id;
  state.dataset = datasetId;
  state.examples = MATERIAL.examples.map(() => randomUUID());
  const [france, peru, nauru] = state.examples;
  const place = (at) => ({ id: state.examples[at], dataset_id: datasetId });
  const uploads = MATERIAL.examples.map((example, at) => ({ ...example, ...place(at) }));
  uploads[0].attachments = { map: MAP };
  await client.createExamples(uploads);
  const first = await client.readDatasetVersion({ datasetId, tag: "latest" });
  await client.updateDatasetTag({ datasetId, asOf: first.as_of, tag: "first" });
  await client.updateExample({
    id: france,
    outputs: { capital: "Paris!" },
    metadata: { level: "new" },
    split: "train",
    dataset_id: datasetId,
  });
  const operations = { rename: { map: "plan" }, retain: [] };
  await client.updateExamples([{ id: france, attachments_operations: operations, dataset_id: datasetId }]);
  await client.deleteExample(peru);
  await client.createExample({ inputs: { country: "Fiji" }, outputs: { capital: "Suva" }, dataset_id: datasetId });
  await client.updateDatasetSplits({ datasetId, splitName: "held out", exampleIds: [nauru] });
  await client.uploadCsv({
    csvFile: new Blob([MATERIAL.csv]),
    fileName: "sums.csv",
    inputKeys: ["question"],
    outputKeys: ["answer"],
    name: "sums",
  });
  await client.createDataset("dropped");
  await client.deleteDataset({ datasetName: "dropped" });
  const wrong = { inputs: { city: 1 }, dataset_id: datasetId };
  return {
    made: [dataset.name, dataset.description],
    twice: await refusal(() => client.createDataset(NAME)),
    "against the schema": await refusal(() => client.createExample(wrong)),
    dropped: await client.hasDataset({ datasetName: "dropped" }),
  };
}

/** Read the dataset as it is and as it was, by split, metadata and filter, and its file. */
async function recall(client, state) {
  const dataset = await client.readDataset({ datasetName: NAME });
  const datasetId = dataset.id;
  const [france, peru, nauru] = state.examples;
  const find = (question) => all(client.listExamples({ datasetId, ...question }));
  const countries = async (question) => sorted((await find(question)).map((example) => example.inputs.country));
  const diff = await client.diffDatasetVersions({ datasetId, fromVersion: "first", toVersion: "latest" });
  const sums = await all(client.listExamples({ datasetName: "sums" }));
  return {
    dataset: [datasetId === state.dataset, dataset.description, dataset.example_count],
    schema: JSON.stringify(sorted(Object.entries(dataset.inputs_schema_definition))) ===
      JSON.stringify(sorted(Object.entries(MATERIAL.inputs_schema))),
    now: sorted((await find({})).map(row)),
    first: sorted((await find({ asOf: "first" })).map(row)),
    changed: row(await client.readExample(france)),
    deleted: await refusal(() => client.readExample(peru)),
    splits: sorted(await client.listDatasetSplits({ datasetId })),
    "by split": await countries({ splits: ["held out"] }),
    "by metadata": await countries({ metadata: { level: "hard" } }),
    "by filter": await countries({ filter: 'exists(metadata, "level")' }),
    "by id": await countries({ exampleIds: [nauru] }),
    page: (await countries({ limit: 1, offset: 1 })).length,
    map: await files(await find({ exampleIds: [france], includeAttachments: true })),
    diff: [diff.examples_modified, diff.examples_added, diff.examples_removed].map((ids) => ids.length),
    tagged: (await client.readDatasetVersion({ datasetId, tag: "first" })).tags.includes("first"),
    sums: sorted(sums.map(({ inputs, outputs }) => [inputs.question, outputs.answer])),
    "by part of the name": (await all(client.listDatasets({ datasetNameContains: "CAPI" }))).map((one) => one.name),
  };
}

function row({ inputs, outputs, metadata }) {
  return [inputs.country, outputs.capital, metadata?.level ?? null, sorted(metadata?.dataset_split ?? [])];
}

async function files([example]) {
  const found = {};
  for (const [name, { presigned_url, mime_type }] of Object.entries(example.attachments)) {
    found[name] = [mime_type, await (await fetch(presigned_url)).text()];
  }
  return found;
}

module.exports = { write, recall, NAME };
