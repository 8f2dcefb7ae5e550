"use strict";

function draw(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

// A column for each of `values`, which are [label, number]; and the same as a table, for screen readers.
function columns(id, values, what) {
  const highest = Math.max(0, ...values.map(([, value]) => value));
  const top = values.find(([, value]) => value === highest);
  const picture = draw("svg", { viewBox: `0 0 ${values.length * 10} 100`, preserveAspectRatio: "none", role: "img", class: "columns" });
  picture.setAttribute("aria-label", highest ? `${what}: at most ${highest}, ${top[0]}` : `${what}: none`);
  values.forEach(([label, value], index) => {
    const height = highest ? (value / highest) * 100 : 0;
    const column = draw("rect", { x: index * 10 + 1, y: 100 - height, width: 8, height });
    column.append(draw("title", {}));
    column.firstChild.textContent = `${label}: ${value}`;
    picture.append(column);
  });
  const axis = document.createElement("p");
  axis.className = "axis";
  const ends = [values[0], values[Math.floor(values.length / 2)], values.at(-1)];
  for (const [label] of values.length > 2 ? ends : values) axis.append(Object.assign(document.createElement("span"), { textContent: label }));
  const caption = document.createElement("figcaption");
  caption.textContent = highest ? `${what}, at most ${highest}` : `${what}: none`;
  $(id).replaceChildren(caption, picture, axis, asTable(values, what));
}

function asTable(values, what) {
  const details = document.createElement("details");
  details.append(Object.assign(document.createElement("summary"), { textContent: "As a table" }));
  const box = details.appendChild(document.createElement("div"));
  box.className = "scroll last";
  box.tabIndex = 0;
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", what);
  const table = box.appendChild(document.createElement("table"));
  for (const [label, value] of values) {
    const row = table.insertRow();
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: label }));
    cell(row, value);
  }
  return details;
}

// A bar for each of `rows`, which are [name, number, text beside it]; as long as the number is of the highest.
function bars(id, rows) {
  const highest = Math.max(...rows.map(([, value]) => value));
  const lines = rows.map(([name, value, text]) => {
    const row = document.createElement("tr");
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: name }));
    const picture = draw("svg", { class: "bar", "aria-hidden": "true" });
    picture.append(draw("rect", { width: `${highest ? (value / highest) * 100 : 0}%`, height: "100%", rx: 3 }));
    row.insertCell().append(picture);
    cell(row, text ?? value);
    return row;
  });
  $(id).replaceChildren(...lines);
  if (rows.length === 0) $(id).insertRow().insertCell().textContent = "Nothing yet.";
}

function duration(millis) {
  if (millis === null) return "–";
  const seconds = Math.round(millis / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const percent = (share) => (share === null ? "–" : `${Math.round(share * 100)} %`);
