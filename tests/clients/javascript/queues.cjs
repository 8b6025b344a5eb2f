// Annotation queues: made, filled, worked.
"use strict";

const { all, refusal, sorted } = require("./material.cjs");

/** Make a queue with two runs in it, rename it, and drop another queue. */
async function write(client, state) {
  const settings = { name: "to read", description: "Daily.", rubricInstructions: "Be fair." };
  const queue = await client.createAnnotationQueue(settings);
  state.queue = queue.id;
  await client.addRunsToAnnotationQueue(queue.id, [state.turn, state.broken]);
  const changed = { name: "to read today", description: "Every day.", rubricInstructions: "Be fair!" };
  await client.updateAnnotationQueue(queue.id, changed);
  const dropped = await client.createAnnotationQueue({ name: "dropped" });
  await client.deleteAnnotationQueue(dropped.id);
  return {
    made: [queue.name, queue.description],
    dropped: await refusal(() => client.readAnnotationQueue(dropped.id)),
  };
}

/** Read the queue and its runs in order, and take one out. */
async function recall(client, state) {
  const queue = await client.readAnnotationQueue(state.queue);
  const at = (index) => client.getRunFromAnnotationQueue(queue.id, index);
  const waiting = [await at(0), await at(1)];
  const pastTheEnd = await refusal(() => at(2));
  await client.deleteRunFromAnnotationQueue(queue.id, waiting[0].id);
  return {
    queue: [queue.name, queue.description, queue.rubric_instructions],
    listed: (await all(client.listAnnotationQueues({ nameContains: "READ" }))).map((one) => one.name),
    waiting: sorted(waiting.map((run) => run.name)),
    "past the end": pastTheEnd,
    left: (await at(0)).id === waiting[1].id,
  };
}

module.exports = { write, recall };
