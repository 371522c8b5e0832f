// prepare.mjs IN OUT: makes an OpenAPI 3.0 document of what openapi-down-convert left of a 3.1 one for the Java generator, which knows
// less than the document says. What it cannot express becomes a looser type; nothing is added, no path and no member is lost.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const yaml = createRequire(createRequire(import.meta.url).resolve("@apiture/openapi-down-convert"))("js-yaml");
const document = yaml.load(readFileSync(process.argv[2], "utf8"));

const typeOf = { boolean: "boolean", number: "integer", string: "string" };

// schema changes one schema, and those inside it. named tells that it is a component: a union then becomes a class with the members
// of all.
function schema(s, named) {
  if (s === null || typeof s !== "object" || s.$ref !== undefined) return s;
  if ("const" in s) {
    s.type = typeOf[typeof s.const];
    s.enum = [s.const];
    delete s.const;
  }
  if (s.enum && s.type === undefined) s.type = typeOf[typeof s.enum[0]];
  if (s.type === "boolean" || s.type === "integer") delete s.enum; // its enums are made of strings
  if (s.type === "integer") s.format = "int64"; // money, seq and stock are larger than 32 bits
  if (s.type === "null") return {};
  if (s.not) delete s.not;
  if (s.propertyNames) delete s.propertyNames;
  for (const union of ["oneOf", "anyOf"]) {
    if (!s[union]) continue;
    if (s.properties) {
      delete s[union]; // it only says which members are required
      continue;
    }
    if (!named || s[union].some((m) => !m.$ref && !m.properties)) return s.description ? { description: s.description } : {};
    s[union] = s[union].map((m) => schema(m, false));
  }
  if (s.allOf) s.allOf = s.allOf.map((m) => schema(m, false));
  if (s.items) s.items = schema(s.items, false);
  if (s.type === "array" && !s.items) s.items = {};
  for (const [name, member] of Object.entries(s.properties ?? {})) s.properties[name] = schema(member, false);
  if (typeof s.additionalProperties === "object") s.additionalProperties = schema(s.additionalProperties, false);
  return s;
}

// walk finds the schemas outside the components.
function walk(node) {
  if (node === null || typeof node !== "object") return;
  for (const [name, child] of Object.entries(node)) {
    if (name === "schema") node[name] = schema(child, false);
    else if (name !== "schemas" && name !== "example" && name !== "examples") walk(child);
  }
}

for (const [name, s] of Object.entries(document.components.schemas)) document.components.schemas[name] = schema(s, true);
walk(document);
writeFileSync(process.argv[3], JSON.stringify(document, null, 1));
