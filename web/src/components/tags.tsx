import { text } from "../text.ts";
import { Input } from "./input.tsx";

const MOST = 5;
/** Letters and digits of any script with hyphens between them, as the server takes them. */
const TAG = /^[\p{L}\p{M}\p{N}]+(-[\p{L}\p{M}\p{N}]+)*$/u;
const LONGEST = 24;

/** Words between commas, in lower case, each once; what stands before a word as `#` is dropped, spaces in it become hyphens. */
export function tagsOf(typed: string): string[] {
  const words = typed.split(/[,，、]/).map((word) => word.trim().replace(/^#+/, "").toLowerCase().replace(/\s+/g, "-"));
  return [...new Set(words.filter(Boolean))];
}

export function tagsWrong(typed: string): boolean {
  const tags = tagsOf(typed);
  return tags.length > MOST || tags.some((tag) => !TAG.test(tag) || [...tag].length > LONGEST);
}

interface TagsProps {
  id: string;
  value: string;
  onInput: (typed: string) => void;
  problem: string;
}

export const TagsInput = (props: TagsProps) => <Input {...props} label={text.create.tags} hint={text.create.tagsHint} />;
