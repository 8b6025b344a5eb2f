// Projects: made, found, changed, deleted.
"use strict";

const { all, refusal, sorted } = require("./material.cjs");
const { PROJECT, ROADS } = require("./tracing.cjs");

/** Make two projects, one of them twice, change one and delete the other. */
async function write(client, state) {
  const kept = await client.createProject({ projectName: "kept", description: "To keep.", metadata: { team: "a" } });
  await client.createProject({ projectName: "dropped" });
  state.kept = kept.id;
  const twice = await refusal(() => client.createProject({ projectName: "kept" }));
  await client.updateProject(kept.id, { description: "Kept.", metadata: { team: "b" } });
  await client.deleteProject({ projectName: "dropped" });
  return {
    made: [kept.name, kept.description],
    twice,
    dropped: await client.hasProject({ projectName: "dropped" }),
  };
}

/** Read them by name and id, as lists, and with their statistics. */
async function recall(client, state) {
  const kept = await client.readProject({ projectId: state.kept });
  const talk = await client.readProject({ projectName: PROJECT, includeStats: true });
  const names = async (question) => (await all(client.listProjects(question))).map((one) => one.name);
  return {
    kept: [kept.name, kept.description, kept.extra.metadata.team],
    "by part of the name": sorted(await names({ nameContains: "ROAD" })),
    "by metadata": await names({ metadata: { team: "b" } }),
    there: await Promise.all([PROJECT, ROADS, "dropped"].map((projectName) => client.hasProject({ projectName }))),
    talk: [talk.run_count, talk.total_tokens, Number(talk.total_cost), talk.last_run_start_time !== null],
  };
}

module.exports = { write, recall };
