// Requests to our own endpoints: JSON both ways, with the session's token against forgery.

/** The server's answer was no; the message may be shown. */
export class Refusal extends Error {
  constructor(status, kind, message) {
    super(message);
    this.status = status;
    this.kind = kind;
  }
}

/** No answer came: the network or the server is away. */
export class Unreachable extends Error {}

let csrf = "";

export async function signedIn() {
  const me = await call("GET", "/api/me");
  csrf = me.csrf;
  return me;
}

export async function call(method, path, body = undefined, keepalive = false) {
  let response;
  try {
    response = await fetch(path, {
      method,
      keepalive,
      headers: {
        Accept: "application/json",
        ...(body === undefined ? {} : { "Content-Type": "application/json" }),
        ...(method === "GET" ? {} : { "X-CSRF-Token": csrf }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch {
    throw new Unreachable("no connection to the server");
  }
  if ([502, 503, 504].includes(response.status)) throw new Unreachable("the server is away");
  const answer = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok) {
    const { kind = "", error = `the server answered ${response.status}` } = answer ?? {};
    throw new Refusal(response.status, kind, error);
  }
  return answer;
}

/** Like call, but keeps trying while the server is away: what is sent must be safe to repeat. */
export async function insist(method, path, body, onWaiting = () => {}) {
  for (let pause = 500; ; pause = Math.min(pause * 2, 5000)) {
    try {
      const answer = await call(method, path, body);
      onWaiting(false);
      return answer;
    } catch (error) {
      if (!(error instanceof Unreachable)) {
        onWaiting(false);
        throw error;
      }
      onWaiting(true);
      await new Promise((resolve) => setTimeout(resolve, pause));
    }
  }
}
