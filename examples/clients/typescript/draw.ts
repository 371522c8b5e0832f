// A draw and a hold through the generated types: node draw.js URL ADMIN-URL.
import createClient from "openapi-fetch";
import { randomUUID } from "node:crypto";
import { strict as assert } from "node:assert";
import type { components, paths } from "./drawd.js";

type Draw = components["schemas"]["Draw"];

const node = createClient<paths>({ baseUrl: process.argv[2] ?? "http://127.0.0.1:7070" });

// The key is made, and stored with the order, before anything is sent: then asking again is safe.
const key = randomUUID();
const user = "ts-" + key.slice(0, 8);

async function draw(campaign: string, again: boolean) {
  return node.POST("/v1/campaigns/{campaign}/draws", {
    params: { path: { campaign }, header: { "Idempotency-Key": key, ...(again && { "Drawd-Retry": "1" as const }) } },
    body: { user },
  });
}

const first = (await draw("demo", false)).data as Draw; // without "times" in the request it is one draw
console.log(`ts draw        ${first.outcome} ${first.draw} at ${first.at}`);

const again = await draw("demo", true);
assert.equal((again.data as Draw).draw, first.draw);
assert.equal(again.response.headers.get("Idempotent-Replayed"), "true");

// Refusals come as application/problem+json, typed too: why, and what the request did.
const refused = await draw("no-such-campaign", false);
assert.ok(refused.error && "code" in refused.error);
assert.equal(refused.error.code, "campaign_not_found");
assert.equal(refused.error.effect, "none");
console.log(`ts refused     ${refused.response.status} ${refused.error.code}`);

// Stock without a lottery: an operator makes a pool, an order service holds units while its customer pays.
const admin = createClient<paths>({ baseUrl: process.argv[3] ?? "http://127.0.0.1:7071" });
const pool = await admin.PUT("/admin/v1/pools/{pool}", {
  params: { path: { pool: "seats" }, header: { "If-None-Match": "*" } },
  body: { total: 100 },
});
assert.ok(pool.data, JSON.stringify(pool.error));

const order = "order-" + randomUUID();
async function hold(again: boolean) {
  return node.POST("/v1/holds", {
    params: { header: { "Idempotency-Key": order, ...(again && { "Drawd-Retry": "1" as const }) } },
    body: { owner: user, ref: order, ttl_ms: 120_000, items: [{ pool: "seats", quantity: 2 }] },
  });
}
const held = await hold(false);
assert.ok(held.data, JSON.stringify(held.error));
assert.equal((await hold(true)).data?.hold, held.data.hold);
const confirmed = await node.POST("/v1/holds/{hold}:confirm", { params: { path: { hold: held.data.hold } }, body: {} });
assert.equal(confirmed.data?.state, "confirmed");
console.log(`ts hold        ${confirmed.data.state} ${held.data.hold}, held until ${held.data.expires_at}`);
