// The official TypeScript client holds a conversation: `node typescript_client.mjs MODULES PLAN`.
// MODULES is a folder `node_modules`. The plan and what is printed are those of python_client.py.

import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, path] = process.argv.slice(2);
const sdk = (name) => import(pathToFileURL(`${modules}/@modelcontextprotocol/sdk/dist/esm/${name}`));
const { Client } = await sdk("client/index.js");
const { StdioClientTransport } = await sdk("client/stdio.js");
const { StreamableHTTPClientTransport } = await sdk("client/streamableHttp.js");
const { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } =
  await sdk("types.js");

const MAX_SHOWN = 200;
const plan = JSON.parse(readFileSync(path, "utf8"));
const asked = {};
const count = (what) => (asked[what] = (asked[what] ?? 0) + 1);

const client = new Client(
  { name: "typescript-client", version: "1" },
  { capabilities: { sampling: {}, elicitation: {}, roots: { listChanged: true } } },
);
client.setRequestHandler(CreateMessageRequestSchema, () => {
  count("sampling");
  const content = { type: "text", text: "a sampled \u00e4nswer \u{1F642}" };
  return { role: "assistant", content, model: "none" };
});
client.setRequestHandler(ElicitRequestSchema, () => {
  count("elicitation");
  return { action: "accept", content: { name: "Ada", check: true, value: true } };
});
client.setRequestHandler(ListRootsRequestSchema, () => {
  count("roots");
  return { roots: [{ uri: "file:///tmp", name: "tmp" }] };
});

function told(result) {
  const text = result.content.map((each) => each.text ?? "").join("");
  const shown = text.length <= MAX_SHOWN ? text : `${text.length} characters`;
  return result.isError ? `tool error: ${shown}` : shown;
}

async function cancel(name, args) {
  const giveUp = new AbortController();
  const onprogress = () => {
    count("progress");
    giveUp.abort();
  };
  try {
    await client.callTool({ name, arguments: args }, undefined, { onprogress, signal: giveUp.signal });
  } catch (error) {
    if (!giveUp.signal.aborted) throw error;
  }
  return "cancelled";
}

async function take([what, ...args]) {
  try {
    if (what === "call") {
      const options = { onprogress: () => count("progress") };
      return told(await client.callTool({ name: args[0], arguments: args[1] }, undefined, options));
    }
    if (what === "cancel") return await cancel(...args);
    if (what === "tools") return (await client.listTools()).tools.map((tool) => tool.name).sort().join();
    if (what === "resources") return `${(await client.listResources()).resources.length}`;
    if (what === "prompts") return `${(await client.listPrompts()).prompts.length}`;
    throw new Error(what);
  } catch (error) {
    if (error.code === undefined) throw error;
    return `error ${error.code}`;
  }
}

const [command, ...args] = plan.command ?? [];
const transport = plan.url
  ? new StreamableHTTPClientTransport(new URL(plan.url))
  : new StdioClientTransport({ command, args, env: { ...process.env, ...plan.env } });
await client.connect(transport);
const steps = [];
for (const step of plan.steps) steps.push(await take(step));
if (plan.url) await transport.terminateSession();
await client.close();
console.log(JSON.stringify({ steps, asked }));
process.exit(0);
