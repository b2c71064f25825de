/* The pages beside the calls: problems, what servers put into a model's context, and runs. */
const WORDS = {
  "session-failed": "session failed", "recorder-gone": "recorder gone", "tool-error": "tool error", unanswered: "no answer",
  "repeated-call": "same call again", "answer-to-nothing": "answer to nothing", "repeated-id": "id used twice", "odd-frame": "odd frame",
};
const wordOf = (kind) => WORDS[kind] ?? kind;
const tokensOf = (count) => (count < 1000 ? `≈${count}` : `≈${(count / 1000).toFixed(count < 1e4 ? 1 : 0)}k`);
const share = (part, whole) => `${whole ? Math.max(part ? 1 : 0, (part / whole) * 100) : 0}%`;

function barOf(parts, title) {
  const bar = el("span", { class: "share", title });
  for (const [kind, width] of parts) {
    const piece = el("i", { class: kind });
    piece.style.width = width;
    bar.append(piece);
  }
  return bar;
}

/* Problems, those of a kind together and equal ones in one line; each leads to the message that shows it. */
function problemsNode({ problems, complete }, go) {
  if (!problems.length) return el("div", {}, el("h1", {}, "Problems"), el("p", { class: "blank" }, "None found: every call was answered in time, without an error."));
  const kinds = grouped(problems, (each) => each.kind), chosen = new Set(), list = el("div", { class: "problems" });
  const draw = () => list.replaceChildren(...[...kinds].filter(([kind]) => !chosen.size || chosen.has(kind)).map(([kind, found]) => {
    const equal = [...grouped(found, (each) => JSON.stringify([each.server, each.subject, each.text])).values()];
    const { severity } = found[0];
    return el("section", { class: `group ${severity}` },
      el("h2", {}, el("span", { class: "sign", "aria-hidden": "true" }, severity === "error" ? "✕" : "!"), ` ${wordOf(kind)} `, el("span", { class: "count" }, number(found.length))),
      el("ol", {}, ...equal.map((same) => el("li", {}, ...problemLines(same, go)))));
  }));
  const chips = [...kinds].map(([kind, found]) => {
    const chip = button(`${wordOf(kind)} ${number(found.length)}`, () => {
      if (!chosen.delete(kind)) chosen.add(kind);
      chip.setAttribute("aria-pressed", String(chosen.has(kind)));
      draw();
    }, { class: `chip ${found[0].severity}`, "aria-pressed": "false" });
    return chip;
  });
  draw();
  return el("div", {}, el("h1", {}, "Problems"),
    el("p", { class: "lead" }, `${plural(problems.length, "problem")} in what was recorded, the last used session first.${complete ? "" : " There are more; sessionkeeper problems lists all."}`),
    el("p", { class: "chips" }, ...chips), list);
}
/* The line of equal problems, which leads to the last one, and the places of all of them. */
function problemLines(same, go) {
  const [first] = same;
  const place = (each) => `${clock(each.time, { date: true })}${each.seq === null ? "" : ` · frame ${number(each.seq)}`}`;
  const row = button("", () => go(first.session, first.seq), { class: "problem" });
  row.append(el("span", { class: "subject" }, plain(shorten(first.subject || (first.seq === null ? "the session" : "a frame"), 120))),
    el("span", { class: "text" }, plain(shorten(first.text, 400)), first.hint ? el("small", {}, plain(first.hint)) : null),
    el("span", { class: "where" }, el("b", {}, plain(shorten(first.server ?? "unnamed server", 60))), el("br"), place(first)));
  if (same.length === 1) return [row];
  const all = el("details", {}, el("summary", {}, `${number(same.length)} times`),
    el("p", {}, ...same.slice(0, 100).map((each) => button(place(each), () => go(each.session, each.seq), { class: "quiet" })),
      same.length > 100 ? ` and ${number(same.length - 100)} more` : null));
  return [row, all];
}
function grouped(list, keyOf) {
  const groups = new Map();
  for (const each of list) {
    const key = keyOf(each);
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(each);
  }
  return groups;
}

/* Per server: each tool's definition, drawn to one scale, with what was called and what came back. */
function contextNode(servers) {
  const blank = el("p", { class: "blank" }, "No server has listed its tools in these recordings.");
  const largest = Math.max(1, ...servers.flatMap((server) => server.tools.map((tool) => tool.definition_bytes)));
  const parts = servers.map((server) => {
    const rows = server.tools.map((tool) => el("tr", { class: tool.calls ? "" : "unused" },
      el("th", { scope: "row" }, plain(tool.name), tool.is_listed ? null : el("small", {}, " not listed")),
      el("td", { class: "wide" }, barOf([["description", share(tool.description_bytes, largest)], ["schema", share(tool.schema_bytes, largest)],
        ["rest", share(Math.max(0, tool.definition_bytes - tool.description_bytes - tool.schema_bytes), largest)]],
      `${bytes(tool.definition_bytes)}: description ${bytes(tool.description_bytes)}, schema ${bytes(tool.schema_bytes)}`)),
      el("td", {}, tokensOf(tool.definition_tokens)),
      el("td", {}, tool.calls ? number(tool.calls) : el("span", { class: "never" }, "never")),
      el("td", { class: tool.errors ? "bad" : "" }, tool.errors ? number(tool.errors) : ""),
      el("td", {}, tool.calls ? tokensOf(tool.result_tokens) : ""),
      el("td", {}, tool.calls ? bytes(tool.largest_text) : "")));
    return el("section", { class: "server" },
      el("h2", {}, plain(server.server ?? "unnamed server"), el("small", {}, ` ${plural(server.sessions, "session")}`)),
      el("dl", { class: "sums" },
        el("div", {}, el("dt", {}, "before the first call"), el("dd", {}, tokensOf(server.definition_tokens), el("small", {}, " tokens"))),
        el("div", {}, el("dt", {}, "results so far"), el("dd", {}, tokensOf(server.result_tokens), el("small", {}, " tokens"))),
        el("div", {}, el("dt", {}, "tools were called"), el("dd", {}, String(server.tools.filter((tool) => tool.calls).length), el("small", {}, ` of ${server.tools.length}`)))),
      server.remarks.length ? el("ul", { class: "remarks" }, ...server.remarks.map((each) => el("li", {}, plain(each)))) : null,
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tools" }, el("table", {},
        el("thead", {}, el("tr", {}, ...["Tool", "Definition", "Tokens", "Calls", "Errors", "Results", "Largest"].map((each) => el("th", { scope: "col" }, each)))),
        el("tbody", {}, ...rows))));
  });
  return el("div", {}, el("h1", {}, "Context"),
    el("p", { class: "lead" }, "What each server puts into a model's context: the definitions of its tools in every conversation, and each result once. Bytes are exact; tokens are a rule of thumb, four bytes each."),
    el("p", { class: "legend" }, el("span", { class: "share" }, el("i", { class: "description" })), "description", el("span", { class: "share" }, el("i", { class: "schema" })), "schema", el("span", { class: "share" }, el("i", { class: "rest" })), "the rest"),
    ...(servers.length ? parts : [blank]));
}

/* What one client did over all its servers: each session a bar in the time of its run. */
function runsNode(runs, sessions, go) {
  if (!runs.length) return el("div", {}, el("h1", {}, "Runs"), el("p", { class: "blank" }, "No sessions yet."));
  const parts = runs.map((run) => {
    const length = Math.max(1, run.ended - run.started);
    const rows = run.sessions.map((each) => {
      const bar = el("i", { class: `${each.state === "failed" ? "failed" : each.live ? "live" : ""}` });
      bar.style.left = `${Math.min(99, ((each.created - run.started) / length) * 100)}%`;
      bar.style.width = `${Math.max(1, ((each.until - each.created) / length) * 100)}%`;
      const row = sessions.get(each.key);
      const line = button("", () => go(each.key), { class: "visit" });
      line.append(el("span", { class: "who" }, row ? serverOf(row) : "a session"), el("span", { class: "track" }, bar),
        el("span", { class: "numbers" }, row?.calls === null || row === undefined ? "" : plural(row.calls, "call"), row?.errors ? el("span", { class: "bad" }, ` ${plural(row.errors, "error")}`) : null));
      return el("li", {}, line);
    });
    const where = [run.principal, run.client_host && `${run.client_host} · pid ${run.client_pid}`].filter(Boolean).map(plain).join(" · ");
    return el("section", { class: "run" },
      el("h2", {}, plain(run.client_name ?? "unnamed client"), el("small", {}, ` ${plain(run.client_version ?? "")}`)),
      el("p", { class: "lead" }, [`${clock(run.started, { date: true })}, ${duration(length)}`, plural(run.sessions.length, "session"), run.failed ? `${run.failed} failed` : "", run.live ? `${run.live} live` : "", where].filter(Boolean).join(" · ")),
      el("ol", {}, ...rows));
  });
  return el("div", {}, el("h1", {}, "Runs"), el("p", { class: "lead" }, "A run is what one client did over all its servers, without a pause of more than five minutes."), ...parts);
}
