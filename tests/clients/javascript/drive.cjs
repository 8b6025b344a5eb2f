// Runs steps of the suite with the `langsmith` of npm that NODE_PATH leads to, and prints what it saw:
//
//     LANGSMITH_ENDPOINT=… LANGSMITH_API_KEY=… NODE_PATH=… node drive.cjs STATE.json tracing.recall feedback.write
//
// Each step prints one line of JSON: {"step": …, "seen": {…}}, or "failed" with a stack. The state file carries ids
// from one process to the next. The steps and their answers are those of the Python driver.
"use strict";

const fs = require("node:fs");
const { Client } = require("langsmith");

async function main(stateFile, steps) {
  const state = fs.existsSync(stateFile) ? JSON.parse(fs.readFileSync(stateFile, "utf8")) : {};
  const client = new Client();
  for (const step of steps) {
    const [area, act] = step.split(".");
    try {
      const seen = await require(`./${area}.cjs`)[act](client, state);
      process.stdout.write(JSON.stringify({ step, seen }) + "\n");
    } catch (error) {
      process.stdout.write(JSON.stringify({ step, failed: String(error.stack ?? error) }) + "\n");
      return 1;
    } finally {
      fs.writeFileSync(stateFile, JSON.stringify(state));
    }
  }
  return 0;
}

console.log = console.error; // the library prints where to click
main(process.argv[2], process.argv.slice(3)).then((code) => process.exit(code));
