/**
 * Wire values to typed objects and back, by the generated table.
 *
 * A wire value is what MessagePack and JSON have in common: null, boolean, number,
 * string, bytes and arrays. A struct is the array of its fields. Reading ignores what
 * a newer peer added at the end and fills what an older one does not send.
 */

/** The peer sent what its own types do not allow. */
export class BadFrame extends Error {
  override readonly name = "BadFrame";
}

export interface Codec {
  /** A wire value as the typed value. Throws `BadFrame`. */
  read(wire: unknown): any;
  /** A typed value as the wire value. Throws `TypeError`: the caller passed something else. */
  write(value: any): unknown;
}

/** Name, codec and, for what may be absent, the default as a wire value. */
type Column = readonly [name: string, codec: Codec, fallback?: unknown];

const scalar = (name: string, is: (value: unknown) => boolean): Codec => {
  const check = (error: new (text: string) => Error) => (value: unknown) => {
    if (!is(value)) throw new error(`expected ${name}, got ${typeof value}`);
    return value;
  };
  return { read: check(BadFrame), write: check(TypeError) };
};

export const int = scalar("an exact integer", Number.isSafeInteger);
export const float = scalar("a number", (value) => typeof value === "number");
export const str = scalar("a string", (value) => typeof value === "string");
export const bool = scalar("a boolean", (value) => typeof value === "boolean");

export const optional = (inner: Codec): Codec => ({
  read: (wire) => (wire === null ? null : inner.read(wire)),
  write: (value) => (value == null ? null : inner.write(value)),
});

const array = (wire: unknown): unknown[] => {
  if (!Array.isArray(wire)) throw new BadFrame(`expected an array, got ${typeof wire}`);
  return wire;
};

export const list = (item: Codec): Codec => ({
  read: (wire) => array(wire).map(item.read),
  write: (value: unknown[]) => value.map(item.write),
});

export const tuple = (...items: Codec[]): Codec => ({
  read: (wire) => {
    if (array(wire).length !== items.length) throw new BadFrame(`expected ${items.length} items`);
    return items.map((item, index) => item.read((wire as unknown[])[index]));
  },
  write: (value: unknown[]) => items.map((item, index) => item.write(value[index])),
});

export const struct = (...columns: Column[]): Codec => ({
  read: (wire) => {
    const fields = array(wire);
    const value: Record<string, unknown> = {};
    columns.forEach(([name, codec, fallback], index) => {
      const field = index < fields.length ? fields[index] : fallback;
      if (field === undefined) throw new BadFrame(`${name} is missing`);
      value[name] = codec.read(field);
    });
    return value;
  },
  write: (value: Record<string, unknown>) =>
    columns.map(([name, codec, fallback]) => {
      const field = value[name];
      if (field === undefined && fallback !== undefined) return fallback;
      if (field === undefined) throw new TypeError(`${name} is missing`);
      return codec.write(field);
    }),
});
