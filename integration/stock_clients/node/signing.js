// The signatures of galaxy.edge.v1, written from vectors.json alone: nothing is shared with the platform's own code.
//
// WebCrypto only, so that the same file runs in Node and in browsers (on HTTPS or localhost).

const subtle = globalThis.crypto.subtle;
const utf8 = new TextEncoder();

// Joins a domain and its fields: each part behind its length as four bytes big-endian; bigint is eight bytes big-endian.
export function canonical(domain, ...fields) {
  const parts = [domain, ...fields].map(raw);
  const out = new Uint8Array(parts.reduce((length, part) => length + 4 + part.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    out.set(part, at + 4);
    at += 4 + part.length;
  }
  return out;
}

function raw(part) {
  if (part instanceof Uint8Array) return part;
  if (typeof part === "string") return utf8.encode(part);
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, part);
  return out;
}

export async function sha256(bytes) {
  return new Uint8Array(await subtle.digest("SHA-256", bytes));
}

export function requestMessage(request) {
  return canonical(
    "galaxy-request-v1",
    request.protocolVersion,
    request.deviceSessionId,
    request.messageType,
    request.timestampMs,
    request.requestId,
    request.idempotencyKey ?? "",
    request.payloadHash,
  );
}

// `asked` is what this client sent: the answer's own word for it counts for nothing.
export function responseMessage(response, asked) {
  return canonical(
    "galaxy-response-v1",
    response.protocolVersion,
    asked.deviceSessionId,
    response.requestId,
    asked.payloadHash,
    response.timestampMs,
    response.resultCode,
    response.payloadHash,
    response.keyId,
  );
}

export function eventMessage(event, userId) {
  return canonical(
    "galaxy-event-v1",
    userId,
    event.eventType,
    event.eventId,
    event.cursor,
    event.timestampMs,
    event.payloadHash,
    event.keyId,
  );
}

// The first event of a stream is signed for its session and request.
export function serverTimeMessage(event, asked) {
  return canonical(
    "galaxy-event-v1",
    asked.deviceSessionId,
    event.eventType,
    event.eventId,
    asked.requestId,
    event.timestampMs,
    event.payloadHash,
    event.keyId,
  );
}

export function refusalMessage(refusal, asked) {
  return canonical(
    "galaxy-refusal-v1",
    asked.deviceSessionId,
    asked.requestId,
    refusal.reason,
    refusal.serverTimeMs,
    refusal.keyId,
  );
}

// Returns the 32 bytes of a published key, or null where the text is not its one canonical spelling.
export function publicKeyFromBase64(text) {
  let bytes;
  try {
    bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return null;
  }
  return bytes.length === 32 && btoa(String.fromCharCode(...bytes)) === text ? bytes : null;
}

export async function importPrivateKey(seed) {
  const pkcs8 = new Uint8Array([...PKCS8_ED25519, ...seed]);
  return subtle.importKey("pkcs8", pkcs8, { name: "Ed25519" }, false, ["sign"]);
}

const PKCS8_ED25519 = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

export async function sign(privateKey, message) {
  return new Uint8Array(await subtle.sign({ name: "Ed25519" }, privateKey, message));
}

export async function verify(publicKey, signature, message) {
  const key = await subtle.importKey("raw", publicKey, { name: "Ed25519" }, false, ["verify"]);
  return subtle.verify({ name: "Ed25519" }, key, signature, message);
}

// Checks what arrived; returns the name of the first check that fails, or null. `payload` is absent for refusals.
// `publicKey` is null where nobody is known under the session or key id.
export async function firstFailure({ signature, payload, payloadHash, answersAnother, publicKey, message }) {
  if (signature.length !== 64 || (payload && payloadHash.length !== 32)) return "size";
  if (payload && !equal(await sha256(payload), payloadHash)) return "payload_hash";
  if (answersAnother) return "request_id";
  if (!publicKey) return "key";
  return (await verify(publicKey, signature, message)) ? null : "signature";
}

function equal(one, other) {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}
