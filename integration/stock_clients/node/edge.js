// One player's device over any Connect transport: signs what goes out, verifies what comes in.
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";

import {
  EdgeService,
  ExecuteCommandRequestSchema,
  RefusalDetailSchema,
  SubscribeEventsRequestSchema,
} from "./gen/galaxy/edge/v1/edge_pb.js";
import * as signing from "./signing.js";

export class Forged extends Error {}

export class Device {
  // `publishedKeys` is the list of GET /api/v1/public/keys; `seed` the 32 bytes of the device's private key.
  constructor({ transport, deviceSessionId, userId, seed, publishedKeys }) {
    this.client = createClient(EdgeService, transport);
    this.deviceSessionId = deviceSessionId;
    this.userId = userId;
    this.privateKey = signing.importPrivateKey(seed);
    this.publicKeys = new Map(publishedKeys.map((key) => [key.key_id, signing.publicKeyFromBase64(key.public_key)]));
  }

  async execute(messageType, payload, idempotencyKey = "") {
    const asked = await this.#signed(ExecuteCommandRequestSchema, { messageType, idempotencyKey }, payload);
    const response = await this.client.executeCommand(asked);
    await this.#believe(response, signing.responseMessage(response, asked), response.requestId !== asked.requestId);
    return { resultCode: response.resultCode, payload: parsed(response.payloadBytes) };
  }

  // Yields verified events, the gateway's own time first; ends when `signal` is aborted.
  async *subscribe(resumeAfter, signal) {
    const payload = resumeAfter.length ? { resume_after: resumeAfter } : null;
    const asked = await this.#signed(SubscribeEventsRequestSchema, { messageType: "gateway.subscribe_events" }, payload);
    let first = true;
    for await (const event of this.client.subscribeEvents(asked, { signal })) {
      const isTime = event.eventType === "gateway.server_time";
      if (isTime !== first) throw new Forged("the stream does not begin as one of this request does");
      const message = first ? signing.serverTimeMessage(event, asked) : signing.eventMessage(event, this.userId);
      await this.#believe(event, message, false);
      first = false;
      yield { eventType: event.eventType, eventId: event.eventId, cursor: event.cursor, payload: parsed(event.payloadBytes) };
    }
  }

  async #signed(schema, fields, payload) {
    const payloadBytes = payload === null ? new Uint8Array() : new TextEncoder().encode(JSON.stringify(payload));
    const request = create(schema, {
      protocolVersion: "v1",
      deviceSessionId: this.deviceSessionId,
      timestampMs: BigInt(Date.now()),
      requestId: newRequestId(),
      payloadBytes,
      payloadHash: await signing.sha256(payloadBytes),
      ...fields,
    });
    request.signature = await signing.sign(await this.privateKey, signing.requestMessage(request));
    return request;
  }

  async #believe(arrived, message, answersAnother) {
    const failure = await signing.firstFailure({
      signature: arrived.signature,
      payload: arrived.payloadBytes,
      payloadHash: arrived.payloadHash,
      answersAnother,
      publicKey: this.publicKeys.get(arrived.keyId) ?? null,
      message,
    });
    if (failure) throw new Forged(`not to be believed: ${failure}`);
  }
}

// What a refusal of the gateway's pipeline says: Connect code, sentence, and the constant reason where there is one.
export function described(error) {
  const refusal = ConnectError.from(error);
  const [detail] = refusal.findDetails(RefusalDetailSchema);
  return {
    code: error instanceof Forged ? "forged" : Code[refusal.code].replace(/(?<=[a-z])(?=[A-Z])/g, "_").toLowerCase(),
    message: error instanceof Forged ? error.message : refusal.rawMessage,
    reason: detail?.reason ?? "",
  };
}

function parsed(bytes) {
  return bytes.length ? JSON.parse(new TextDecoder().decode(bytes)) : null;
}

function newRequestId() {
  const random = globalThis.crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...random)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
