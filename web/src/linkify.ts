/** Finds web addresses in plain text. The result is rendered as elements, never as HTML. */

export type Piece = { kind: "text"; text: string } | { kind: "link"; text: string; href: string };

const CANDIDATE = /\bhttps?:\/\/[^\s<>"'`]+/gi;
const TRAILING = /[.,;:!?…]+$/;

export function linkify(text: string): Piece[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(CANDIDATE)) {
    const link = trim(match[0]);
    const href = address(link);
    if (href === null) continue;
    if (match.index > end) pieces.push({ kind: "text", text: text.slice(end, match.index) });
    pieces.push({ kind: "link", text: link, href });
    end = match.index + link.length;
  }
  if (end < text.length) pieces.push({ kind: "text", text: text.slice(end) });
  return pieces;
}

/** Punctuation after an address belongs to the sentence; a bracket does unless the address opened it. */
function trim(candidate: string): string {
  let link = candidate.replace(TRAILING, "");
  while (/[)\]]$/.test(link) && !balanced(link)) link = link.slice(0, -1).replace(TRAILING, "");
  return link;
}

function balanced(link: string): boolean {
  const count = (mark: string): number => link.split(mark).length - 1;
  return link.endsWith(")") ? count("(") >= count(")") : count("[") >= count("]");
}

/** The normal form of an http(s) address, null if it is none. */
function address(link: string): string | null {
  if (!URL.canParse(link)) return null;
  const url = new URL(link);
  const harmless = url.protocol === "http:" || url.protocol === "https:";
  return harmless && url.username === "" && url.password === "" ? url.href : null;
}
