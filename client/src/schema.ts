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
  /** What an absent field reads as, as a wire value; undefined: it is required. */
  fallback?: unknown;
}

const scalar = (name: string, is: (value: unknown) => boolean): Codec => {
  const check = (error: new (text: string) => Error) => (value: unknown) => {
    if (!is(value)) throw new error(`expected ${name}, got ${typeof value}`);
    return value;
  };
  return { read: check(BadFrame), write: check(TypeError) };
};

export const int = scalar("integer", Number.isSafeInteger);
export const str = scalar("string", (value) => typeof value === "string");
export const bool = scalar("boolean", (value) => typeof value === "boolean");

/** Null where it is absent. */
export const optional = (inner: Codec): Codec => ({
  read: (wire) => (wire === null ? null : inner.read(wire)),
  write: (value) => (value == null ? null : inner.write(value)),
  fallback: null,
});

/** The wire value, which is an array. Throws `BadFrame`. */
export const array = (wire: unknown): unknown[] => {
  if (!Array.isArray(wire)) throw new BadFrame(`expected array, got ${typeof wire}`);
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

/** A field that may be absent. */
export const or = (inner: Codec, fallback: unknown): Codec => ({ ...inner, fallback });

/** Its fields in wire order, which is the order of the object's keys. */
export const struct = (fields: Record<string, Codec>): Codec => ({
  read: (wire) => {
    const items = array(wire);
    const read = ([name, codec]: [string, Codec], index: number): unknown => {
      return [name, codec.read(index < items.length ? items[index] : codec.fallback)]; // no codec reads undefined
    };
    return Object.fromEntries(Object.entries(fields).map(read) as [string, unknown][]);
  },
  write: (value: Record<string, unknown>) =>
    Object.entries(fields).map(([name, { write, fallback }]) => {
      const item = value[name];
      if (item !== undefined) return write(item);
      if (fallback === undefined) throw new TypeError(`${name} is missing`);
      return fallback;
    }),
});
