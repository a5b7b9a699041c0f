// The stock client inside a browser page: connect-web on the browser's own fetch and WebCrypto.
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

import { converse, fromBase64, publishedKeys } from "./conversation.js";
import { Device, described } from "./edge.js";

const transports = { web: createConnectTransport, "web-grpc-web": createGrpcWebTransport };

// Returns the lines that client.js would print.
export async function run({ transport, edge, gateway, session, user, key, ...conversation }) {
  const lines = [];
  try {
    const device = new Device({
      transport: transports[transport]({ baseUrl: edge }),
      deviceSessionId: session,
      userId: user,
      seed: fromBase64(key),
      publishedKeys: await publishedKeys(gateway),
    });
    await converse(device, conversation, (line) => lines.push(line));
  } catch (error) {
    lines.push({ kind: "error", ...described(error) });
  }
  return lines;
}
