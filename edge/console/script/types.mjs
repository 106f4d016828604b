// Writes src/api/schema.ts: the API's types, from its description in docs/. So the console and the API cannot part.
//
// usage: types.mjs [--check]
//
// With --check nothing is written: it fails if the file is not what would be written.

import { readFileSync, writeFileSync } from "node:fs";

const ROOT = new URL("../../../", import.meta.url);
const FILE = new URL("../src/api/schema.ts", import.meta.url);
// Of the callers' interface the console reads these; of the admins' all.
const CALLERS = [
  ["get", "/v1/key"],
  ["get", "/v1/usage"],
  ["get", "/v1/models"],
  ["get", "/healthz"],
];
const METHODS = ["get", "post", "put", "patch", "delete"];

const read = (file) => JSON.parse(readFileSync(new URL(`docs/${file}`, ROOT), "utf8"));
const admin = read("openapi-admin.json");
const callers = read("openapi.json");

const written = render();
if (process.argv[2] === "--check") {
  if (readFileSync(FILE, "utf8") !== written) {
    console.error(
      "edge/console/src/api/schema.ts is not what docs/ describes: `cargo xtask console types` writes it anew",
    );
    process.exit(1);
  }
} else {
  writeFileSync(FILE, written);
}

function render() {
  const schemas = new Map(Object.entries(admin.components.schemas));
  const routes = [];
  for (const [path, item] of Object.entries(admin.paths)) {
    for (const method of METHODS.filter((method) => item[method])) {
      routes.push(route(admin, `/admin/v1${path}`, method, item[method]));
    }
  }
  for (const [method, path] of CALLERS) {
    const operation = callers.paths[path][method];
    routes.push(route(callers, path, method, operation));
    take(schemas, operation.responses);
  }
  const types = [...schemas].map(([name, schema]) => `${comment(schema)}export type ${name} = ${typed(schema, "")};\n`);
  const head = "// Written by script/types.mjs from docs/openapi-admin.json and docs/openapi.json: do not edit.\n";
  return `${head}\n${types.join("\n")}\n/** What each route takes and answers. */\nexport interface Routes {\n${routes.join("")}}\n`;
}

// One member of `Routes`.
function route(document, path, method, operation) {
  const parameters = (operation.parameters ?? []).filter((one) => one.in === "query");
  const query = parameters.map((one) => `${one.name}?: ${typed(one.schema, "")}`).join("; ");
  const body = operation.requestBody?.content["application/json"].schema;
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"))[1];
  // What is no JSON, such as events, is read as text.
  const answer = resolved(document, good).content["application/json"]?.schema ?? { type: "string" };
  const parts = [
    `query: {${query ? ` ${query} ` : ""}}`,
    `body: ${body ? typed(body, "") : "undefined"}`,
    `answer: ${typed(answer, "")}`,
  ];
  return `  "${method.toUpperCase()} ${path}": {\n${parts.map((part) => `    ${part};\n`).join("")}  };\n`;
}

function resolved(document, node) {
  if (!node.$ref) return node;
  return node.$ref
    .slice(2)
    .split("/")
    .reduce((found, name) => found[name], document);
}

// Adds the callers' schemas that this names. One that both have must be the same.
function take(schemas, node) {
  if (Array.isArray(node)) node.forEach((one) => take(schemas, one));
  if (node === null || typeof node !== "object") return;
  const name = node.$ref?.startsWith("#/components/schemas/") && node.$ref.split("/").pop();
  if (name) {
    const schema = callers.components.schemas[name];
    const known = schemas.get(name);
    if (known && typed(known, "") !== typed(schema, "")) throw new Error(`both descriptions have ${name}, differently`);
    if (!known) {
      schemas.set(name, schema);
      take(schemas, schema);
    }
  }
  Object.entries(node)
    .filter(([key]) => key !== "$ref")
    .forEach(([, one]) => take(schemas, one));
  if (node.$ref?.startsWith("#/components/responses/")) take(schemas, resolved(callers, node));
}

// A schema as a type.
function typed(schema, indent) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  const union = schema.anyOf ?? schema.oneOf;
  if (union) return union.map((one) => typed(one, indent)).join(" | ");
  switch (schema.type) {
    case "integer":
    case "number":
      return "number";
    case "array":
      return `Array<${typed(schema.items ?? {}, indent)}>`;
    case "object":
      return objectType(schema, indent);
    case "string":
    case "boolean":
    case "null":
      return schema.type;
    default:
      return "unknown";
  }
}

function objectType(schema, indent) {
  const members = Object.entries(schema.properties ?? {});
  if (members.length === 0) {
    const values = schema.additionalProperties;
    if (values === false) return "Record<string, never>";
    return `Record<string, ${values ? typed(values, indent) : "unknown"}>`;
  }
  const deeper = `${indent}  `;
  const lines = members.map(([name, member]) => {
    const mark = schema.required?.includes(name) ? "" : "?";
    return `${comment(member, deeper)}${deeper}${name}${mark}: ${typed(member, deeper)};\n`;
  });
  return `{\n${lines.join("")}${indent}}`;
}

function comment(schema, indent = "") {
  return schema.description ? `${indent}/** ${schema.description} */\n` : "";
}
