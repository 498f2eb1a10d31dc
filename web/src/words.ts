/** How the catalogue puts numbers, lists and reasons. */

export const many = (count: number, one: string, other: string): string => (count === 1 ? one : other.replace("#", String(count)));

/** How long to wait, in seconds while they are few. */
export const waitOf = (seconds: number): string => {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.ceil(seconds / 3600)} hours`;
};

/** "Mara", "Mara and Jon", "Mara, Jon and 3 others". */
export const listOf = (names: readonly string[]): string => {
  const [first = "", second = ""] = names;
  if (names.length < 2) return first;
  return names.length === 2 ? `${first} and ${second}` : `${first}, ${second} and ${many(names.length - 2, "1 other", "# others")}`;
};

/** "Reason: …" behind a sentence, if one was given. */
export const because = (why: string): string => (why ? ` Reason: ${why}` : "");
