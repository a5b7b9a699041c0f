// signing.js against the platform's vectors. VECTORS names the file; nothing else of the platform is read.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import * as signing from "../signing.js";

const path = process.env.VECTORS ?? new URL("../../../../proto/galaxy/edge/v1/vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8"));

const hex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const asHex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const published = new Map(vectors.published_keys.map((key) => [key.key_id, key.public_key]));

// Vectors spell fields as the wire does; signing.js speaks like generated JavaScript.
function spoken(fields = {}) {
  const value = (name, text) => (name.endsWith("_ms") ? BigInt(text) : name === "payload_hash" ? hex(text) : text);
  return Object.fromEntries(Object.entries(fields).map(([name, text]) => [camel(name), value(name, text)]));
}

const messages = {
  requests: (fields) => signing.requestMessage(fields),
  responses: (fields, asked) => signing.responseMessage(fields, asked),
  events: (fields, asked) => signing.eventMessage(fields, asked.userId),
  server_time_events: (fields, asked) => signing.serverTimeMessage(fields, asked),
  refusals: (fields, asked) => signing.refusalMessage(fields, asked),
};

for (const [kind, build] of Object.entries(messages)) {
  for (const vector of vectors[kind]) {
    test(`${kind} ${vector.name}: ${vector.why}`, async () => {
      const fields = spoken(vector.fields);
      const asked = spoken(vector.asked);
      const message = build(fields, asked);
      assert.equal(asHex(message), vector.canonical);
      const key = kind === "requests" ? vectors.sessions[fields.deviceSessionId] : published.get(fields.keyId);
      const failure = await signing.firstFailure({
        signature: hex(vector.signature),
        payload: vector.payload === undefined ? null : hex(vector.payload),
        payloadHash: fields.payloadHash,
        answersAnother: kind === "responses" && fields.requestId !== asked.requestId,
        publicKey: key ? signing.publicKeyFromBase64(key) : null,
        message,
      });
      assert.equal(failure, vector.fails_at ?? null);
      assert.equal(vector.verdict, failure ? "invalid" : "valid");
    });
  }
}

for (const vector of vectors.requests.filter(({ verdict }) => verdict === "valid")) {
  test(`signing ${vector.name} gives the same bytes`, async () => {
    const key = await signing.importPrivateKey(hex(vectors.keys.device.private_key));
    assert.equal(asHex(await signing.sign(key, hex(vector.canonical))), vector.signature);
  });
}

for (const { name, text, why, verdict } of vectors.public_keys) {
  test(`public key ${name}: ${why}`, () => {
    assert.equal(signing.publicKeyFromBase64(text) !== null, verdict === "valid");
  });
}
