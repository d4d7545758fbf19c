// Reads workflows and actions with GitHub's own parser, and ends with 1 where that finds a fault: `make workflows`.
import { readFile } from "node:fs/promises";
import { registerHooks } from "node:module";
import { basename } from "node:path";

// The parser is made for a bundler: it imports its schemas, which are JSON, without saying that they are.
registerHooks({
  load: (url, context, next) =>
    next(url, url.endsWith(".json") ? { ...context, importAttributes: { type: "json" } } : context),
});
const { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } = await import("@actions/workflow-parser");
const { parseAction } = await import("@actions/workflow-parser/actions/action-parser");
const { convertActionTemplate } = await import("@actions/workflow-parser/actions/action-template");

const isAction = (name) => /^action\.ya?ml$/.test(basename(name));

/** What the parser has against one file, in its own words, by line. */
async function faults(name, content) {
  const parse = isAction(name) ? parseAction : parseWorkflow;
  const { context, value } = parse({ name, content }, new NoOperationTraceWriter());
  if (value !== undefined) {
    await (isAction(name) ? convertActionTemplate : convertWorkflowTemplate)(context, value);
  }
  return context.errors.getErrors().map((error) => `${name}:${error.range?.start.line ?? 1}: ${error.rawMessage}`);
}

// A parser that lets these pass would let everything pass.
const WRONG = {
  "unknown-key.yml": "on: push\njobs: {a: {runs-on: x, permission: {}, steps: [{run: y}]}}",
  "unknown-job.yml": "on: push\njobs: {a: {runs-on: x, needs: b, steps: [{run: y}]}}",
  "unknown-context.yml": "on: push\njobs: {a: {runs-on: x, steps: [{run: '${{ nothing.y }}'}]}}",
  "no-yaml.yml": "on: [push",
  "action.yml": "name: a\ndescription: b\nruns: {using: docker, images: x}",
};
for (const [name, content] of Object.entries(WRONG)) {
  if ((await faults(name, content)).length === 0) {
    throw new Error(`the parser accepts what is wrong: ${name}`);
  }
}

const names = process.argv.slice(2);
const found = (await Promise.all(names.map(async (name) => faults(name, await readFile(name, "utf8"))))).flat();
for (const fault of found) {
  console.error(fault);
}
if (names.length === 0) {
  console.error("no file to read");
}
process.exitCode = found.length > 0 || names.length === 0 ? 1 : 0;
