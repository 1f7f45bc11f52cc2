// Questions to the server: of each kind one at a time, and only the answer to the last one counts.

export class Asked {
  constructor(path, wait, answered, failed) {
    Object.assign(this, { path, wait, answered, failed, number: 0, timer: 0, controller: null });
  }

  // Ask as soon as nothing new is asked for a while.
  soon(content) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.now(content), this.wait);
  }

  // Nobody waits for the answer any more.
  drop() {
    clearTimeout(this.timer);
    this.controller?.abort();
    this.number += 1;
  }

  async now(content) {
    this.drop();
    this.controller = new AbortController();
    const { number } = this;
    try {
      const found = await ask(this.path, content, this.controller.signal);
      if (number === this.number) this.answered(found, content);
    } catch (failure) {
      if (failure.name !== "AbortError" && number === this.number) this.failed(failure.message);
    }
  }
}

export async function ask(path, content, signal) {
  const headers = { "content-type": "application/json" };
  let response;
  try {
    response = await fetch(path, { method: "POST", headers, body: JSON.stringify(content), signal });
  } catch (failure) {
    if (failure.name === "AbortError") throw failure;
    throw new Error("the playground does not answer: has it ended in the terminal?");
  }
  const found = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(found.message ?? `the playground answered ${response.status}`);
  return found;
}
