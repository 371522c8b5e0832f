// Draws at a constant rate with k6: k6 run bench/users/draw.js
//   -e URL=http://127.0.0.1:7070   -e CAMPAIGN=users   -e RATE=1000   -e DURATION=10s   -e KEY=dk_…
//
// The model is open: iterations start when they are due. dropped_iterations above 0 means that k6 was too slow, and that the
// latencies it prints are too good.
import http from "k6/http";
import { check } from "k6";
import exec from "k6/execution";

const url = `${__ENV.URL || "http://127.0.0.1:7070"}/v1/campaigns/${__ENV.CAMPAIGN || "users"}/draws`;
const run = `${Date.now().toString(36)}-${Math.floor(Math.random() * 1e9).toString(36)}`;

export const options = {
  scenarios: {
    draws: {
      executor: "constant-arrival-rate",
      rate: Number(__ENV.RATE || 1000),
      timeUnit: "1s",
      duration: __ENV.DURATION || "10s",
      preAllocatedVUs: 200,
      maxVUs: 2000,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    dropped_iterations: ["count==0"],
    http_req_duration: ["p(99)<100"],
  },
};

export default function () {
  const n = exec.scenario.iterationInTest;
  const headers = { "Content-Type": "application/json", "Idempotency-Key": `${run}-${n}` };
  if (__ENV.KEY) headers.Authorization = `Bearer ${__ENV.KEY}`;
  const answer = http.post(url, JSON.stringify({ user: `u${n % 1000000}` }), { headers });
  check(answer, { "a draw": (a) => a.status === 200 && (a.json("outcome") === "win" || a.json("outcome") === "miss") });
}
