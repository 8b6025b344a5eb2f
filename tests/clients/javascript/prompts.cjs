// Prompts: pushed, changed, pulled by name, commit and tag.
"use strict";

const { MATERIAL, all, refusal } = require("./material.cjs");

const NAME = "greeting";

/** Push two versions, and the second once more; like and describe the prompt; delete another. */
async function write(client, state) {
  const { first, second } = MATERIAL.manifests;
  await client.pushPrompt(NAME, { object: first, description: "Greets.", tags: ["polite"], commitTags: "live" });
  await client.pushPrompt(NAME, { object: second });
  const unchanged = await refusal(() => client.pushPrompt(NAME, { object: second }));
  state.commits = (await all(client.listCommits(NAME))).map((commit) => commit.commit_hash);
  const { likes } = await client.likePrompt(NAME);
  await client.updatePrompt(NAME, { description: "Greets kindly.", readme: "Say a name." });
  await client.createPrompt("doomed");
  await client.deletePrompt("doomed");
  return {
    commits: state.commits.length,
    unchanged,
    likes,
    unliked: (await client.unlikePrompt(NAME)).likes,
    doomed: await client.getPrompt("doomed"),
  };
}

/** Pull the newest, an older and a tagged version; read the prompt and its history. */
async function recall(client, state) {
  const [newest, oldest] = state.commits;
  const template = async (name) => (await client.pullPromptCommit(name)).manifest.kwargs.template;
  const prompt = await client.getPrompt(NAME);
  const history = await all(client.listCommits(NAME));
  return {
    newest: await template(NAME),
    oldest: await template(`${NAME}:${oldest}`),
    "by the start of its hash": await template(`${NAME}:${newest.slice(0, 8)}`),
    commit: (await client.pullPromptCommit(NAME)).commit_hash === newest,
    parents: history.map((commit) => commit.parent_commit_hash === oldest),
    prompt: [prompt.repo_handle, prompt.description, prompt.readme, prompt.tags, prompt.num_commits],
    listed: (await all(client.listPrompts({ query: "greet" }))).map((one) => one.repo_handle),
    missing: await refusal(() => client.pullPromptCommit("doomed")),
    tagged: await template(`${NAME}:live`),
  };
}

module.exports = { write, recall };
