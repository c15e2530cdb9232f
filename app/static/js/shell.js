// The bar at the top of every page, and which script fills the page below it.

import { call, Refusal, signedIn } from "./api.js";
import { h } from "./dom.js";

const TITLES = { "": "Annotate", adjudicate: "Adjudicate", dashboard: "Dashboard", tasks: "Tasks", manage: "Manage" };
const SCRIPTS = { "": () => import("./task.js"), adjudicate: () => import("./adjudicate.js") };

const page = location.pathname.replace(/^\/review\/?/, "").replace(/\/$/, "");
const projectId = new URLSearchParams(location.search).get("project");

function bar(me, project) {
  const link = (name, title) => {
    const here = name === page;
    const query = name === "ask" ? (projectId ? `?project=${projectId}` : "") : `?project=${project?.id}`;
    return h("a", { href: `/review/${name}${query}`, "aria-current": here ? "page" : null }, title);
  };
  const links = (project?.pages ?? []).map((name) => link(name, TITLES[name]));
  if (me.ask) links.push(link("ask", "Ask the judge"));
  const several = me.projects.length > 1;
  return h(
    "header.bar.review",
    {},
    several
      ? h("a.name", { href: "/?all", title: "Other projects" }, project?.name ?? "Projects")
      : h("span.name", {}, project?.name ?? "Review"),
    links.length > 1 ? h("nav", { "aria-label": "Pages" }, ...links) : null,
    SCRIPTS[page] ? h("div.of-page", {}, h("div", { id: "bar-page" }), h("div", { id: "bar-tools" })) : null,
    h(
      "div.end",
      {},
      h("button", { onclick: () => window.reviewTheme.toggle(), title: "Light or dark" }, "◐", h("span.sr", {}, "Light or dark")),
      me.local ? null : h("a.me", { href: "/password", title: "Change the password" }, me.name),
      me.local ? null : h("button", { onclick: signOut }, "Sign out"),
    ),
  );
}

async function signOut() {
  await call("POST", "/api/sign-out");
  location.assign("/sign-in");
}

/** Resolves to Gradio's element for our page once Gradio has drawn it. */
function mounted() {
  return new Promise((resolve) => {
    const look = () => {
      const found = document.getElementById("page");
      if (found) {
        observer.disconnect();
        resolve(found);
      }
    };
    const observer = new MutationObserver(look);
    observer.observe(document.documentElement, { childList: true, subtree: true });
    look();
  });
}

async function start() {
  const loading = SCRIPTS[page]?.();
  try {
    const me = await signedIn();
    const project = me.projects.find(({ id }) => String(id) === projectId);
    document.title = `${TITLES[page] ?? "Ask the judge"} · ${project?.name ?? "Review"}`;
    const ready = await loading;
    const starting = ready?.prepare(project);
    const top = bar(me, project);
    document.body.prepend(top);
    // The pages below are as high as what it leaves, in one row or in two.
    new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${top.getBoundingClientRect().height}px`)).observe(top);
    document.querySelector(".bar [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
    if (ready) await ready.start(await mounted(), project, starting);
  } catch (error) {
    if (error instanceof Refusal && error.status === 401) location.reload();
    else document.body.prepend(h("p.alert", { role: "alert" }, error.message));
    throw error;
  }
}

/** What scrolls sideways on narrow screens can be reached and scrolled by keyboard. */
function makeTablesReachable() {
  for (const text of document.querySelectorAll(".prose:has(table):not([tabindex])")) text.tabIndex = 0;
}
if (!SCRIPTS[page]) new MutationObserver(makeTablesReachable).observe(document.documentElement, { childList: true, subtree: true });

start();
