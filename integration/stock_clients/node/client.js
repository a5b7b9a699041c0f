// Opens the event stream, runs one command once the stream stands, reads on until enough events came.
//
//   node client.js --edge URL --gateway URL --session ID --user ID --key BASE64 [--transport connect]
//     [--command user.account.get] [--payload JSON] [--idempotency-key KEY] [--events 1]
//     [--resume-after JSON] [--timeout-ms 15000]
//
// Transports: connect, grpc, grpc-web over HTTP/2 (connect-node); connect-1.1, grpc-web-1.1 over HTTP/1.1;
// web and web-grpc-web are connect-web on fetch, as browsers run it.
// Prints JSON lines: {"kind": "event" | "response" | "error" | "done", …}; exit code 1 after an error.
import { parseArgs } from "node:util";

import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import {
  createConnectTransport as createWebConnectTransport,
  createGrpcWebTransport as createWebGrpcWebTransport,
} from "@connectrpc/connect-web";

import { converse, fromBase64, publishedKeys } from "./conversation.js";
import { Device, described } from "./edge.js";

const transports = {
  connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  "connect-1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  grpc: (baseUrl) => createGrpcTransport({ baseUrl }),
  "grpc-web": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  "grpc-web-1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  web: (baseUrl) => createWebConnectTransport({ baseUrl }),
  "web-grpc-web": (baseUrl) => createWebGrpcWebTransport({ baseUrl }),
};

const { values } = parseArgs({
  options: {
    edge: { type: "string" },
    gateway: { type: "string" },
    session: { type: "string" },
    user: { type: "string" },
    key: { type: "string" },
    transport: { type: "string", default: "connect" },
    command: { type: "string", default: "user.account.get" },
    payload: { type: "string", default: "" },
    "idempotency-key": { type: "string", default: "" },
    events: { type: "string", default: "1" },
    "resume-after": { type: "string", default: "[]" },
    "timeout-ms": { type: "string", default: "15000" },
  },
});

function print(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function run() {
  const device = new Device({
    transport: transports[values.transport](values.edge),
    deviceSessionId: values.session,
    userId: values.user,
    seed: fromBase64(values.key),
    publishedKeys: await publishedKeys(values.gateway),
  });
  const conversation = {
    command: values.command,
    payload: values.payload ? JSON.parse(values.payload) : null,
    idempotencyKey: values["idempotency-key"],
    events: Number(values.events),
    resumeAfter: JSON.parse(values["resume-after"]),
    timeoutMs: Number(values["timeout-ms"]),
  };
  await converse(device, conversation, print);
}

try {
  await run();
  // Pooled HTTP/2 connections would keep the process alive for their idle time.
  process.exit(0);
} catch (error) {
  print({ kind: "error", ...described(error) });
  process.exit(1);
}
