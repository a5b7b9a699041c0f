// What every stock client does: open the event stream, run one command once it stands, read on until enough events came.
export async function converse(device, { command, payload, idempotencyKey, events, resumeAfter, timeoutMs }, print) {
  const enough = new AbortController();
  const timer = setTimeout(() => enough.abort(new Error("timeout")), timeoutMs);
  let left = events;
  for await (const event of device.subscribe(resumeAfter, enough.signal)) {
    print({ kind: "event", ...event });
    if (event.eventType === "gateway.server_time") {
      print({ kind: "response", ...(await device.execute(command, payload, idempotencyKey)) });
    }
    left -= 1;
    if (left <= 0) break;
  }
  clearTimeout(timer);
  enough.abort();
  print({ kind: "done" });
}

export async function publishedKeys(gatewayUrl) {
  const answer = await fetch(`${gatewayUrl}/api/v1/public/keys`);
  return (await answer.json()).keys;
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
