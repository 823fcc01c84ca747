// The service that Restate would call: it posts a payment to a core. usage: restate.mjs PLACE PORT [CORE_URL]
// PLACE holds node_modules.
import { createRequire } from "node:module";
import http from "node:http";

// The SDK wants it, Node 20 lacks it.
Promise.withResolvers ??= function () {
  let resolve, reject;
  const promise = new Promise((yes, no) => { resolve = yes; reject = no; });
  return { promise, resolve, reject };
};

const [place, port, core] = process.argv.slice(2);
const restate = createRequire(place + "/package.json")("@restatedev/restate-sdk");
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

function post(id, body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body), "idempotency-key": id };
    const request = http.request(core, { method: "POST", agent, headers }, (answer) => {
      answer.resume();
      answer.on("end", () => resolve(answer.statusCode));
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function deliver(context, payment) {
  const id = context.request().id.toString();
  const body = { id, account: payment.account, amount: payment.amount, currency: payment.currency };
  await context.run("post", () => post(id, JSON.stringify({ ...body, paid_at: "2026-01-15T12:00:00.000000Z" })));
  return "ok";
}

restate.serve({ services: [restate.service({ name: "Billing", handlers: { deliver } })], port: Number(port) });
