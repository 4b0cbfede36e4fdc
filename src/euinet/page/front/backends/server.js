// Answers come from the server that the page came from. Every backend has the same interface:
//
//   ready()                    resolves when it can answer
//   model()                    what is known of the model (GET /v1/model)
//   explain(pixels, shape)     uint8 pixels of ONE image in the model's [C, H, W] → Explanation
//   predictFile(file)          a File or Blob of any image → Explanation with `remark`
//   record()                   the operating record, or null where the model has none
//   inbox                      requests to /v1/inbox, or null: { json(method, path, body), address(path) }
//
// A request that fails throws a Refusal, whose message is one sentence for people.

import { nested } from "../lib/codec.js";
import { Refusal } from "../lib/refusal.js";

const TOKEN = "euinet-token";

export async function openServer({ token_needed: tokenNeeded }) {
  if (tokenNeeded && !sessionStorage.getItem(TOKEN)) throw new Refusal("This server needs its token.", 401, null);
  const model = await request("GET", "v1/model");
  return {
    kind: "server",
    ready: async () => {},
    model: () => model,
    async explain(pixels, shape) {
      const answered = await request("POST", "v1/explain", { images: [nested(pixels, shape)] });
      return answered.explanations[0];
    },
    async predictFile(file) {
      const form = new FormData();
      form.append("file", file, file.name || "pasted image");
      const answered = await request("POST", "v1/explain", form);
      return answered.explanations[0];
    },
    record: async () => (model.features.record ? request("GET", "v1/record") : null),
    inbox: model.features.inbox
      ? {
          json: (method, path, body) => request(method, `v1/inbox${path}`, body),
          address: (path) => `v1/inbox${path}`,
        }
      : null,
  };
}

// Body: FormData or a Blob as it is, anything else as JSON. Returns JSON, or the Response of another type.
export async function request(method, address, body) {
  const headers = {};
  let sent = body;
  if (body !== undefined && !(body instanceof FormData) && !(body instanceof Blob)) {
    headers["Content-Type"] = "application/json";
    sent = JSON.stringify(body);
  }
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(address, { method, headers, body: sent });
  } catch {
    throw new Refusal("The server does not answer: it was stopped, or the connection is gone.", 0, 2);
  }
  if (response.ok) {
    const kind = response.headers.get("Content-Type") || "";
    return kind.includes("json") ? response.json() : response;
  }
  throw await refusal(response);
}

export function keepToken(token) {
  sessionStorage.setItem(TOKEN, token);
}

async function refusal(response) {
  let message = `The server answered with ${response.status}.`;
  try {
    const said = await response.json();
    if (typeof said.error === "string") message = said.error;
  } catch {
    // not JSON: a proxy's page, say; the status is what there is to tell
  }
  const wait = Number(response.headers.get("Retry-After"));
  return new Refusal(message, response.status, response.status === 503 ? wait || 1 : null);
}
