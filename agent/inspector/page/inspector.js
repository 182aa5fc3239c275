// The inspector's page. Nothing that came with a delivery is ever read as HTML: text goes in by textContent, and the
// content security policy (trusted types) refuses every other way. ASCII only, as it is compiled in.
import { sizeText, viewsOf } from "/body.js";

const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
const byId = (id) => document.getElementById(id);
const deliveries = new Map(); // number -> summary
const rows = new Map(); // number -> its line of the list
let chosen = null; // number of the delivery whose detail is shown
let shown = 0; // counts drawings of the detail: an answer that comes late is for an older one

class ApiError extends Error {}

async function ask(path, options = {}) {
  const headers = { Authorization: `Bearer ${token}` };
  const response = await fetch(path, { ...options, headers, cache: "no-store" });
  const answer = await response.json();
  if (!response.ok) throw Object.assign(new ApiError(answer.error.message), { status: response.status });
  return answer;
}

function element(name, content = [], properties = {}) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...[content].flat()); // strings become text, whatever is in them
  return made;
}

const timeOf = (item) => new Date(item.at).toLocaleTimeString([], { hour12: false });
const tookOf = (item) => (item.took_ms === null ? "" : `${item.took_ms.toFixed(item.took_ms < 10 ? 1 : 0)} ms`);

function outcomeOf(item) {
  if (item.status !== null) return String(item.status) + (item.state === "told_again" ? " (told again)" : "");
  return item.error_code ?? item.state.replace("_", " ");
}

function kindOf(item) {
  if (item.state === "running") return "running";
  if (item.status === null) return "failed";
  return item.status < 400 ? "good" : "bad";
}

const badge = (item) => element("span", outcomeOf(item), { className: `badge ${kindOf(item)}` });

// --- The list ---

function drawRow(item) {
  const button = element("button", [
    element("time", timeOf(item)),
    element("span", item.method, { className: "method" }),
    element("span", item.target, { className: "target", title: `${item.app}${item.target}` }),
    element("span", item.resend_of === null ? "" : `resend of ${item.resend_of}`, { className: "mark" }),
    badge(item),
    element("span", tookOf(item), { className: "took" }),
  ]);
  button.type = "button";
  button.dataset.number = item.number;
  button.addEventListener("click", () => choose(item.number));
  const row = element("li", button);
  rows.get(item.number)?.replaceWith(row);
  if (!row.isConnected) byId("deliveries").prepend(row);
  rows.set(item.number, row);
  markRow(item);
}

function markRow(item) {
  const wanted = byId("filter").value.trim().toLowerCase();
  const text = `${item.method} ${item.app}${item.target} ${outcomeOf(item)} ${item.delivery_id}`.toLowerCase();
  const row = rows.get(item.number);
  row.hidden = !text.includes(wanted);
  row.classList.toggle("chosen", item.number === chosen);
}

function forgetOlderThan(oldest) {
  for (const number of deliveries.keys()) {
    if (oldest !== null && number >= oldest) continue;
    deliveries.delete(number);
    rows.get(number).remove();
    rows.delete(number);
  }
}

/** A resend is shown beside what it repeats. */
const originalOf = (item) => (item.resend_of !== null && deliveries.has(item.resend_of) ? item.resend_of : item.number);

function take(list) {
  for (const item of list.deliveries) {
    deliveries.set(item.number, item);
    drawRow(item);
  }
  forgetOlderThan(list.oldest);
  byId("empty").hidden = deliveries.size > 0;
  if (chosen !== null && list.deliveries.some((item) => item.number === chosen || item.resend_of === chosen)) drawDetail();
}

function choose(number) {
  chosen = originalOf(deliveries.get(number));
  deliveries.forEach(markRow);
  drawDetail();
}

// --- The detail ---

function headersTable(headers) {
  const lines = headers.map(([name, value]) => element("tr", [element("th", name), element("td", value)]));
  return element("table", lines, { className: "headers" });
}

function bodyBox(body) {
  if (body === null) return element("p", "Not read by the agent.", { className: "note" });
  if (body.size === 0) return element("p", "No body.", { className: "note" });
  const views = viewsOf(body);
  const text = element("pre", views[0].text, { className: "body" });
  const buttons = views.map((view) => {
    const button = element("button", view.name, { type: "button" });
    button.addEventListener("click", () => (text.textContent = view.text));
    return button;
  });
  const notes = [sizeText(body.size)];
  if (body.kept < body.size) notes.push(`only the first ${sizeText(body.kept)} are kept here`);
  if (body.truncated) notes.push("the agent has cut it");
  return element("div", [element("p", [...buttons, notes.join(", ")], { className: "views" }), text]);
}

function timingsText(timings) {
  if (timings === null) return "";
  const parts = ["connect", "tls", "first_byte", "total"].map((name) => [name, timings[`${name}_ms`]]);
  return parts.filter(([, ms]) => ms > 0).map(([name, ms]) => `${name.replace("_", " ")} ${ms.toFixed(1)} ms`).join(", ");
}

function responseCard(record) {
  const title = record.resend_of === null ? "Response" : `Response to resend, ${timeOf(record)}`;
  const parts = [element("h3", [title, " ", badge(record)]), element("p", timingsText(record.timings), { className: "note" })];
  if (record.error) parts.push(element("p", record.error.message, { className: "error" }));
  if (record.response) parts.push(headersTable(record.response.headers), bodyBox(record.response.body));
  if (record.state === "running") parts.push(element("p", "The app has not answered yet.", { className: "note" }));
  return element("article", parts, { className: "card response" });
}

function requestCard(record) {
  const { request } = record;
  return element("article", [
    element("h3", "Request"),
    element("p", `${request.tls ? "https" : "http"} to ${request.app}`, { className: "note" }),
    headersTable(request.headers),
    bodyBox(request.body),
  ], { className: "card" });
}

function resendButton(record) {
  const button = element("button", "Resend", { type: "button", id: "resend" });
  const said = element("span", "", { className: "error", id: "resend-error" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    said.textContent = "";
    try {
      await ask(`/api/deliveries/${record.number}/resend`, { method: "POST" });
    } catch (error) {
      said.textContent = error.message;
    }
    button.disabled = false;
  });
  return element("p", [button, said]);
}

async function drawDetail() {
  const drawing = ++shown;
  try {
    const record = await ask(`/api/deliveries/${chosen}`);
    const resends = await Promise.all(record.resends.map((number) => ask(`/api/deliveries/${number}`)));
    if (drawing !== shown) return;
    byId("detail").replaceChildren(
      element("h2", `${record.method} ${record.target}`),
      element("p", `${record.delivery_id}, attempt ${record.attempt}, ${record.at}`, { className: "note" }),
      resendButton(record),
      element("div", [requestCard(record), responseCard(record), ...resends.map(responseCard)], { className: "cards" }),
    );
  } catch (error) {
    if (drawing === shown) byId("detail").replaceChildren(element("p", error.message, { className: "error" }));
  }
}

// --- Live ---

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function say(text, isGood) {
  byId("connection").textContent = text;
  byId("connection").className = isGood ? "good" : "failed";
}

async function follow() {
  let revision = 0;
  let wait = 0;
  for (;;) {
    try {
      const list = await ask(`/api/deliveries?after=${revision}&wait=${wait}`);
      ({ revision } = list);
      wait = 25;
      take(list);
      say("live", true);
      await pause(200); // a busy agent has more to do than to feed this page
    } catch (error) {
      if (error.status === 401) return say(error.message, false);
      say("The agent does not answer. A restarted one has a new URL: postern-agent status shows it.", false);
      await pause(2000);
    }
  }
}

byId("filter").addEventListener("input", () => deliveries.forEach(markRow));
follow();
