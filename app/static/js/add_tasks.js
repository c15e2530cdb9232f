// Sends files of a run or of pairs, says how far they are, and what became of them.

import { h } from "./dom.js";

const OF_INTEREST = /\.(jsonl|ndjson|json|csv|tsv|tab|parquet)(\.gz)?$|\.(zip|tar|tar\.gz|tgz)$/i;
const MIB = 1 << 20;

class Adding {
  constructor(form) {
    this.form = form;
    this.problem = form.querySelector(".alert");
    this.said = form.querySelector(".said");
    this.bar = form.querySelector("progress");
    this.status = form.querySelector("#sending");
    this.button = form.querySelector("button");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    form.addEventListener("change", () => this.clear());
  }

  clear() {
    for (const part of [this.problem, this.said, this.bar]) part.hidden = true;
    this.status.textContent = "";
  }

  complain(text) {
    this.clear();
    this.problem.textContent = text;
    this.problem.hidden = false;
  }

  /** The files by the names that they are sent under; of a folder only what could be of use. */
  get files() {
    const { files, folder } = this.form.elements;
    const inside = [...folder.files].filter(({ name }) => OF_INTEREST.test(name));
    return [...files.files, ...inside].map((file) => [file.webkitRelativePath || file.name, file]);
  }

  send() {
    const { files } = this;
    if (!files.length) return this.complain("Choose files or a folder first.");
    const size = files.reduce((sum, [, file]) => sum + file.size, 0);
    const most = Number(this.form.dataset.max);
    if (size > most * MIB) return this.complain(`That is ${Math.ceil(size / MIB)} MiB; at most ${most} MiB can be sent at once.`);
    const body = new FormData();
    for (const name of ["content", "evaluation"]) {
      const value = new FormData(this.form).get(name);
      if (value) body.append(name, value);
    }
    for (const [name, file] of files) body.append("files", file, name);
    this.clear();
    this.transfer(body);
  }

  transfer(body) {
    const request = new XMLHttpRequest(); // fetch does not tell how much is sent
    request.open("POST", `/api/projects/${this.form.dataset.project}/upload`);
    request.setRequestHeader("X-CSRF-Token", this.form.dataset.csrf);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => {
      this.bar.value = loaded / total;
      this.status.textContent = loaded < total ? `Sending: ${Math.floor((100 * loaded) / total)} %` : "Sent. They are being checked and added…";
    };
    request.onload = () => this.done(request);
    request.onerror = () => this.fail("The server is away, or did not take the files. Nothing was added.");
    this.bar.hidden = false;
    this.button.disabled = true;
    request.send(body);
  }

  fail(text) {
    this.button.disabled = false;
    this.complain(text);
  }

  done({ status, response }) {
    if (status !== 200) return this.fail(response?.error ?? `The server answered ${status}. Nothing was added.`);
    this.button.disabled = false;
    this.clear();
    const more = response.refused - response.reasons.length;
    const lines = response.reasons.map((reason) => h("li", { dir: "auto" }, reason));
    if (more > 0) lines.push(h("li", {}, `and ${more} more`));
    const project = this.form.dataset.project;
    this.said.replaceChildren(
      h("p", {}, h("strong.good", {}, response.said)),
      ...(lines.length ? [h("ul", { tabIndex: 0, "aria-label": "Refused rows" }, ...lines)] : []),
      h("p", {}, h("a", { href: `/review/tasks?project=${project}` }, "See the tasks"), " · ", h("a", { href: `/review/manage?project=${project}` }, "Manage")),
    );
    this.said.hidden = false;
    this.form.elements.files.value = this.form.elements.folder.value = "";
  }
}

new Adding(document.getElementById("add"));
