// What both drivers send, and small helpers of this one.
"use strict";

const MATERIAL = require("../material.json");

/** The status that the server refuses the call with, or null where it does not. */
async function refusal(call) {
  try {
    await call();
  } catch (error) {
    const status = /status \[(\d{3})\]/.exec(error.message);
    if (status === null) throw error;
    return Number(status[1]);
  }
  return null;
}

/** Everything that an asynchronous iterable yields. */
async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** What `read` gives once it is as wanted: the library sends some records in the background. */
async function eventually(read, wanted, patienceMs = 10_000) {
  const deadline = Date.now() + patienceMs;
  let value = await read();
  while (!wanted(value) && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    value = await read();
  }
  return value;
}

/** `{"run_type": …}` as `{runType: …}`. */
function camel(fields) {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name.replace(/_(.)/g, (_, letter) => letter.toUpperCase()), value]),
  );
}

/** The items in order, compared as JSON. */
function sorted(items) {
  return [...items].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
}

function round(number) {
  return Math.round(number * 1000) / 1000;
}

module.exports = { MATERIAL, refusal, all, eventually, camel, sorted, round };
