// Shows /openapi.json. Text only ever becomes text: nothing of the document is taken for HTML.

const LIMITS = {
  minimum: (value) => `at least ${value}`,
  maximum: (value) => `at most ${value}`,
  minLength: (value) => `at least ${value} long`,
  maxLength: (value) => `at most ${value} long`,
  pattern: (value) => `like ${value}`,
};
const PROOFS = { accessToken: "an access token", refreshCookie: "the refresh cookie" };

/** An element with attributes and children; null children are left out. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** What a reference names, or the thing itself. */
function resolve(thing, api) {
  if (!thing.$ref) return thing;
  return thing.$ref.slice(2).split("/").reduce((place, part) => place[part], api);
}

function kindOf(schema, api) {
  if (schema.$ref) return kindOf(resolve(schema, api), api);
  if (schema.anyOf) return schema.anyOf.map((one) => kindOf(one, api)).join(" or ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if (schema.type === "array") return `list of ${kindOf(schema.items, api)}`;
  return schema.title ?? schema.type ?? "anything";
}

function limitsOf(schema, needed) {
  const limits = Object.entries(LIMITS).filter(([key]) => key in schema).map(([key, words]) => words(schema[key]));
  if (schema.default !== undefined && schema.default !== null && typeof schema.default !== "object") {
    limits.push(`${JSON.stringify(schema.default)} if left out`);
  } else if (!needed) {
    limits.push("may be left out");
  }
  return limits.join(", ");
}

/** The object types in a schema that have fields to show. */
function objectsIn(schema, api) {
  const whole = resolve(schema, api);
  if (whole.properties) return [whole];
  return (whole.anyOf ?? (whole.items ? [whole.items] : [])).flatMap((one) => objectsIn(one, api));
}

function table(caption, head, rows) {
  const cells = (row) => row.map((cell, at) => (at === 0 ? make("th", { scope: "row" }, make("code", {}, cell)) : make("td", {}, cell)));
  return make(
    "div", { class: "docs-table", role: "region", "aria-label": caption, tabindex: "0" },
    make(
      "table", {}, make("caption", {}, caption),
      make("thead", {}, make("tr", {}, ...head.map((title) => make("th", { scope: "col" }, title)))),
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row)))),
    ),
  );
}

function fieldsOf(object, api, above = []) {
  const rows = Object.entries(object.properties).map(([name, schema]) => {
    return [name, kindOf(schema, api), limitsOf(schema, (object.required ?? []).includes(name))];
  });
  const inner = Object.values(object.properties).flatMap((schema) => objectsIn(schema, api)).filter((one) => !above.includes(one));
  return [
    table(object.title, ["Field", "Type", "Limits"], rows),
    ...[...new Set(inner)].flatMap((one) => fieldsOf(one, api, [...above, object])),
  ];
}

function parametersOf(operation, api) {
  if (!operation.parameters) return null;
  const rows = operation.parameters.map((one) => [
    one.name, one.in, kindOf(one.schema, api), limitsOf(one.schema, one.required), one.description,
  ]);
  return table("Parameters", ["Name", "Where", "Type", "Limits", "Meaning"], rows);
}

function bodyOf(operation, api) {
  const content = operation.requestBody?.content["application/json"];
  if (!content) return null;
  const title = operation.requestBody.required ? "Body" : "Body, may be left out";
  return make("section", {}, make("h4", {}, title), ...objectsIn(content.schema, api).flatMap((one) => fieldsOf(one, api)));
}

function answersOf(operation, api) {
  const answers = Object.entries(operation.responses).map(([status, response]) => [status, resolve(response, api)]);
  const bodies = answers.flatMap(([, response]) => objectsIn(response.content?.["application/json"]?.schema ?? {}, api));
  return make(
    "section", {}, make("h4", {}, "Answers"),
    table("By status", ["Status", "Meaning"], answers.map(([status, response]) => [status, response.description])),
    ...[...new Set(bodies)].flatMap((one) => fieldsOf(one, api)),
  );
}

function proofOf(operation) {
  const ways = operation.security.map((way) => Object.keys(way).map((name) => PROOFS[name] ?? name).join(" and ") || "nothing");
  return `Needs ${ways.length > 0 ? ways.join(" or ") : "no sign-in"}.`;
}

function operationOf(method, path, operation, api) {
  return make(
    "details", { id: operation.operationId },
    make(
      "summary", {},
      make("h3", {}, make("span", { class: "docs-method" }, method.toUpperCase()), " ", make("code", {}, path)),
      make("span", {}, operation.summary),
    ),
    operation.description ? make("p", {}, operation.description) : null,
    make("p", {}, proofOf(operation)),
    parametersOf(operation, api),
    bodyOf(operation, api),
    answersOf(operation, api),
  );
}

function areaOf(tag, api) {
  const operations = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).filter(([, operation]) => operation.tags.includes(tag.name)).map(([method, operation]) => operationOf(method, path, operation, api)),
  );
  return make("section", { "aria-labelledby": `area-${tag.name}` }, make("h2", { id: `area-${tag.name}` }, tag.name), make("p", {}, tag.description), ...operations);
}

/** Opens what the address names, so that a link to one route works. */
function openNamed() {
  const named = document.getElementById(location.hash.slice(1));
  if (named instanceof HTMLDetailsElement) named.open = true;
  named?.scrollIntoView();
}

async function show() {
  const place = document.getElementById("operations");
  try {
    const response = await fetch("/openapi.json");
    if (!response.ok) throw new Error(`status ${response.status}`);
    const api = await response.json();
    const links = api.tags.map((tag) => make("li", {}, make("a", { href: `#area-${tag.name}` }, tag.name)));
    document.getElementById("areas").replaceChildren(make("ul", {}, ...links));
    place.replaceChildren(...api.tags.map((tag) => areaOf(tag, api)));
    openNamed();
  } catch (error) {
    place.replaceChildren(make("p", { role: "alert" }, `/openapi.json could not be read: ${error.message}`));
  }
  place.removeAttribute("aria-busy");
}

addEventListener("hashchange", openNamed);
await show();
