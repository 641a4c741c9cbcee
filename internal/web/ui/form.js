// What a form does beyond being sent: long lists of options are searched and
// follow what they depend on, a period says which days it is, and the first
// rows can be looked at. Without this script it is a plain form.
const form = document.querySelector("form.form");
const looked = document.querySelector(".looked");

// What is filled in

const nameOf = (control) => control.name.replace(/^p\./, "").replace(/\.(from|to)$/, "");

// One parameter as the API takes it; undefined: nothing.
function filledIn(name) {
  const values = new FormData(form).getAll(`p.${name}`).flatMap((v) => v.split(/[\r\n]+/)).filter(Boolean);
  const field = form.querySelector(`[name="p.${CSS.escape(name)}"]`)?.closest(".field");
  if (values[0] === "own" && field?.classList.contains("period")) {
    const day = (which) => form.elements[`p.${name}.${which}`].value;
    return { from: day("from"), to: day("to") };
  }
  const several = field?.hasAttribute("data-many") || field?.querySelector(".checks, textarea");
  return several ? (values.length ? values : undefined) : values[0];
}

// Options

const most = 50;

const fold = (text) => text.normalize("NFKD").replace(/\p{Mn}/gu, "").toLowerCase();

// The options of a list that stands in the page.
function inPage(options) {
  const folded = options.map((o) => ({ ...o, text: fold(`${o.value}\n${o.label}`), begins: fold(o.label) }));
  return async (search) => {
    const whole = fold(search).trim(), words = whole.split(/\s+/);
    const fit = folded.filter((o) => words.every((w) => o.text.includes(w)));
    const best = fit.filter((o) => o.begins.startsWith(whole));
    const items = [...best, ...fit.filter((o) => !best.includes(o))];
    return { items: items.slice(0, Math.max(most, 200)), more: items.length > 200, waiting_for: [] };
  };
}

// The options that the server knows, as they depend on what is filled in.
function onServer(url, follows) {
  return async (search, signal) => {
    const parameters = Object.fromEntries(follows.map((name) => [name, filledIn(name) ?? null]));
    const query = new URLSearchParams({ q: search.slice(0, 200), parameters: JSON.stringify(parameters), time_zone: form.elements.time_zone.value });
    const answer = await fetch(`${url}?${query}`, { signal, headers: { Accept: "application/json" } });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.title);
    return said;
  };
}

const make = (tag, attributes = {}, ...children) => {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) el.setAttribute(name, value);
  el.append(...children);
  return el;
};

// A combobox (ARIA 1.2, with a listbox) in the place of a list or a plain
// field. What is written and not chosen counts as it is written: the server
// says whether it is right.
class Combobox {
  constructor(field) {
    const control = field.querySelector("select, textarea, input");
    this.field = field;
    this.name = control.name;
    this.many = field.hasAttribute("data-many");
    this.required = control.required;
    this.label = field.querySelector("label").firstChild.textContent.trim();
    this.follows = (field.dataset.follows ?? "").split(" ").filter(Boolean);
    const known = [...(control.options ?? [])].filter((o) => o.value).map((o) => ({ value: o.value, label: o.text, chosen: o.selected }));
    this.look = field.dataset.url ? onServer(field.dataset.url, this.follows) : inPage(known);
    this.chosen = control.options ? known.filter((o) => o.chosen) : control.value.split(/[\r\n]+/).filter(Boolean).map((value) => ({ value, label: value }));
    this.items = [];
    this.active = -1;
    this.build(control);
    this.show();
    if (!control.options && this.chosen.length) this.nameChosen();
  }

  build(control) {
    const id = control.id;
    this.input = make("input", {
      type: "text", id, role: "combobox", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
      "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list`,
    });
    for (const name of ["aria-describedby", "aria-invalid"]) {
      if (control.hasAttribute(name)) this.input.setAttribute(name, control.getAttribute(name));
    }
    this.hint = this.required ? "Choose" : this.field.querySelector("label span") ? "Any" : "";
    this.chips = make("div", { class: "chips" });
    this.empty = make("button", { type: "button", class: "empties", "aria-label": `Clear ${this.label}` }, "×");
    this.list = make("ul", { role: "listbox", id: `${id}-list`, "aria-label": this.label });
    if (this.many) this.list.setAttribute("aria-multiselectable", "true");
    this.status = make("p", { class: "quiet small", role: "status" });
    this.popup = make("div", { class: "popup", hidden: "" }, this.list, this.status);
    this.values = make("span", { hidden: "" });
    this.note = make("p", { class: "quiet small", role: "status", hidden: "" });
    const box = make("div", { class: "box" }, this.chips, this.input, this.empty);
    this.root = make("div", { class: "combobox" }, box, this.popup, this.values);
    control.replaceWith(this.root, this.note);
    box.addEventListener("mousedown", (e) => e.target === box && (e.preventDefault(), this.input.focus()));
    this.input.addEventListener("mousedown", () => this.open(this.written()));
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (e) => e.isComposing || this.key(e));
    this.input.addEventListener("keypress", (e) => e.key === "Enter" && this.entered && e.preventDefault()); // a choice sends no form
    this.input.addEventListener("blur", () => this.leave());
    this.empty.addEventListener("mousedown", (e) => e.preventDefault());
    this.empty.addEventListener("click", () => (this.set([]), this.input.focus()));
    this.popup.addEventListener("mousedown", (e) => e.preventDefault()); // the focus stays
    this.list.addEventListener("click", (e) => {
      const at = [...this.list.children].indexOf(e.target.closest("li"));
      if (at >= 0) this.choose(this.items[at]);
    });
    this.chips.addEventListener("click", (e) => {
      const at = [...this.chips.children].indexOf(e.target.closest("button"));
      if (at >= 0) (this.set(this.chosen.filter((_, i) => i !== at)), this.input.focus());
    });
  }

  // What is chosen

  show() {
    this.values.replaceChildren(...this.chosen.map((o) => make("input", { type: "hidden", name: this.name, value: o.value })));
    if (this.many) {
      this.chips.replaceChildren(...this.chosen.map((o) => make("button", { type: "button", "aria-label": `Remove ${o.label}` }, make("span", {}, o.label), make("span", { "aria-hidden": "true" }, "×"))));
    } else {
      this.input.value = this.chosen[0]?.label ?? "";
    }
    this.input.placeholder = this.chosen.length ? "" : this.hint;
    this.chips.hidden = !this.many || !this.chosen.length;
    this.empty.hidden = this.many || !this.chosen.length;
    this.input.required = this.required && !(this.many && this.chosen.length);
  }

  set(options) {
    const was = this.chosen.map((o) => o.value).join("\n");
    this.chosen = options;
    this.show();
    this.note.hidden = true;
    if (was !== options.map((o) => o.value).join("\n")) {
      form.dispatchEvent(new CustomEvent("filled", { detail: this.name.slice(2) }));
    }
  }

  choose(option) {
    if (!this.many) {
      this.set([option]);
      return this.close();
    }
    const has = this.chosen.some((o) => o.value === option.value);
    this.set(has ? this.chosen.filter((o) => o.value !== option.value) : [...this.chosen, option]);
    this.draw();
    if (!this.input.value) return;
    this.input.value = ""; // on to the next
    this.point(-1);
    this.open("");
  }

  // What was written counts, until it is known which option it means.
  leave() {
    const text = this.written();
    this.close();
    if (!text) return this.many || this.input.value ? undefined : this.set([]);
    const as = { value: text, label: text };
    this.input.value = "";
    if (!this.many) this.set([as]);
    else if (!this.chosen.some((o) => o.value === text)) this.set([...this.chosen, as]);
    this.settle(as);
  }

  // The option of that name, or the only one that fits, stands in for what was written.
  async settle(as) {
    const text = fold(as.value);
    let items;
    try {
      items = (await this.look(as.value)).items;
    } catch {
      return; // what was written stays
    }
    const meant = items.find((o) => o.value === as.value || fold(o.label) === text) ?? (items.length === 1 ? items[0] : undefined);
    if (!meant || !this.chosen.includes(as)) return;
    this.set(this.chosen.filter((o) => o === as || o.value !== meant.value).map((o) => (o === as ? meant : o)));
  }

  // What stands in the field and is not what is chosen.
  written() {
    const text = this.input.value.trim();
    return !this.many && text === this.chosen[0]?.label ? "" : text;
  }

  // The list

  open(search, wait = 0) {
    this.searched = search;
    this.popup.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.find(search), wait);
  }

  close() {
    clearTimeout(this.timer);
    this.asking?.abort();
    this.popup.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.point(-1);
  }

  typed() {
    this.open(this.input.value.trim(), 120);
  }

  async find(search) {
    this.asking?.abort();
    const asking = (this.asking = new AbortController());
    const slow = setTimeout(() => this.say("Looking…"), this.items.length ? 200 : 0);
    try {
      const found = await this.look(search, asking.signal);
      if (asking.signal.aborted) return;
      this.items = found.items;
      this.draw();
      this.say(this.words(found));
      if (search && this.items.length) this.point(0);
    } catch (problem) {
      if (asking.signal.aborted) return;
      this.items = [];
      this.draw();
      this.say(`${problem.message && !(problem instanceof TypeError) ? problem.message : "The server did not answer"}. You can still write the value.`);
    } finally {
      clearTimeout(slow);
    }
  }

  words(found) {
    if (found.waiting_for.length) return `Fill in ${found.waiting_for.map(labelOf).join(" and ")} first.`;
    if (!found.items.length) return this.searched ? "Nothing fits." : "There is nothing to choose from.";
    if (!found.more) return "";
    return this.searched ? "There are more. Write more of it." : "There are more. Write to search.";
  }

  say(text) {
    this.status.textContent = text;
    this.status.hidden = !text;
  }

  draw() {
    this.list.replaceChildren(...this.items.map((o, i) => {
      const chosen = this.chosen.some((c) => c.value === o.value);
      const li = make("li", { role: "option", id: `${this.list.id}-${i}`, "aria-selected": String(chosen) }, make("span", {}, o.label));
      if (o.label !== o.value) li.append(make("span", { class: "quiet small" }, o.value));
      return li;
    }));
    this.list.hidden = !this.items.length;
    this.point(Math.min(this.active, this.items.length - 1));
  }

  point(at) {
    this.list.children[this.active]?.classList.remove("active");
    this.active = at;
    const li = this.list.children[at];
    li?.classList.add("active");
    li?.scrollIntoView({ block: "nearest" });
    if (li) this.input.setAttribute("aria-activedescendant", li.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  key(e) {
    const open = !this.popup.hidden, last = this.items.length - 1;
    this.entered = e.key === "Enter" && (open || this.written());
    switch (e.key) {
      case "ArrowDown":
      case "ArrowUp":
        e.preventDefault();
        if (!open) return this.open("");
        return this.point(e.key === "ArrowDown" ? (this.active >= last ? 0 : this.active + 1) : (this.active <= 0 ? last : this.active - 1));
      case "Enter":
        if (!this.entered) return;
        e.preventDefault();
        if (open && this.items[this.active]) this.choose(this.items[this.active]);
        else this.leave();
        return;
      case "Escape":
        if (open) (e.preventDefault(), this.close(), !this.many && (this.input.value = this.chosen[0]?.label ?? ""));
        return;
      case "Backspace":
        if (this.many && !this.input.value && this.chosen.length) this.set(this.chosen.slice(0, -1));
    }
  }

  // What it depends on

  // A value that is no option any more goes, and the field says so.
  async follow() {
    this.items = [];
    this.draw();
    if (!this.chosen.length) return;
    const was = this.chosen, kept = await this.optionsOf(was);
    if (!kept || was !== this.chosen || kept.length === was.length) return;
    this.set(kept);
    this.note.textContent = `${was.filter((o) => !kept.some((k) => k.value === o.value)).map((o) => o.label).join(", ")} is no longer among the options.`;
    this.note.hidden = false;
  }

  // The options behind values; undefined if they cannot be had.
  async optionsOf(chosen) {
    try {
      const found = await Promise.all(chosen.map((o) => this.look(o.value)));
      return found.flatMap((f, i) => f.items.find((o) => o.value === chosen[i].value) ?? []);
    } catch {
      return undefined;
    }
  }

  // A value that was filled in before has a label, too.
  async nameChosen() {
    const was = this.chosen, found = await this.optionsOf(was);
    if (!found || was !== this.chosen) return;
    this.chosen = was.map((o) => found.find((f) => f.value === o.value) ?? o);
    this.show();
  }
}

const labelOf = (name) => {
  const field = form.querySelector(`[name="p.${CSS.escape(name)}"]`)?.closest(".field") ?? document.getElementById(`p-${name}`)?.closest(".field");
  return field?.querySelector("label, legend")?.firstChild.textContent.trim() ?? name;
};

// Periods

function sayDays(field) {
  const span = field.querySelector(".span"), days = field.querySelector("select").selectedOptions[0]?.dataset.days;
  span.textContent = days ?? "";
  span.hidden = !days;
}

// The server did not know where the reader's day has begun already.
async function turnDays() {
  const now = new Date(), two = (n) => String(n).padStart(2, "0");
  if (!form.querySelector("[data-days]") || form.dataset.today === `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
  for (const option of form.querySelectorAll("option[data-days]")) {
    const select = option.closest("select");
    option.dataset.days = page.querySelector(`#${CSS.escape(select.id)} option[value="${option.value}"]`)?.dataset.days ?? "";
  }
  form.querySelectorAll(".period").forEach(sayDays);
}

// What it would come to

const estimate = form?.querySelector("[data-estimate]");
let estimating, estimated;

function estimateSoon() {
  clearTimeout(estimating);
  estimated?.abort();
  estimating = setTimeout(sayEstimate, 400);
}

async function sayEstimate() {
  if (!form.checkValidity()) return estimate.replaceChildren();
  const asking = (estimated = new AbortController());
  try {
    const answer = await fetch(estimate.dataset.estimate, { method: "POST", body: new URLSearchParams(new FormData(form)), signal: asking.signal });
    const part = make("template");
    part.innerHTML = answer.ok ? await answer.text() : "";
    if (!asking.signal.aborted && estimate.innerHTML !== part.innerHTML) estimate.replaceChildren(part.content);
  } catch {
    // An estimate that cannot be had is none.
  }
}

// A look at the first rows

async function preview(button) {
  if (button.ariaBusy) return;
  button.ariaBusy = "true";
  button.textContent = "Looking…";
  try {
    const answer = await fetch(`${button.formAction}?part=preview`, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const section = page.querySelector("section.preview");
    if (!section || page.querySelector("form")) { // a page that says what is wrong, field by field
      form.action = button.formAction;
      return form.submit();
    }
    looked.replaceChildren(section);
    section.scrollIntoView({ block: "nearest" });
    document.getElementById("spoken").textContent = `Preview: ${section.querySelector("p")?.textContent ?? ""}`;
  } catch {
    looked.replaceChildren(make("p", { class: "empty" }, "The server did not answer. Try again."));
  } finally {
    button.ariaBusy = null;
    button.textContent = "Preview";
  }
}

if (form) {
  const boxes = [...form.querySelectorAll("[data-search]")].map((field) => new Combobox(field));
  const filled = (name) => boxes.filter((b) => b.follows.includes(name)).forEach((b) => b.follow());
  form.addEventListener("change", (e) => e.target.name && filled(nameOf(e.target)));
  form.addEventListener("filled", (e) => filled(e.detail));
  for (const event of ["change", "filled"]) form.addEventListener(event, estimateSoon);
  estimateSoon();
  for (const field of form.querySelectorAll(".period")) {
    field.addEventListener("change", () => sayDays(field));
    sayDays(field);
  }
  form.addEventListener("submit", (e) => {
    if (!e.submitter?.hasAttribute("data-preview")) return;
    e.preventDefault();
    e.stopPropagation();
    preview(e.submitter);
  });
  turnDays().catch(() => {}); // offline: the days stay those of the server's day
}
