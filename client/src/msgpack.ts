/**
 * MessagePack for wire values: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Integers are exact to 2^53-1 and always sent as integers: the server refuses a float
 * where an integer stands. Maps, bytes, floats and extensions occur only in fields of a
 * newer server, which the table ignores; they read as what no field accepts. No eval.
 */

import { BadFrame } from "./schema.ts";

const MAX_DEPTH = 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws `TypeError`: not a wire value, or a number that is no exact integer. */
export function encode(value: unknown): Uint8Array {
  const out: number[] = [];
  write(out, value);
  return Uint8Array.from(out);
}

function write(out: number[], value: unknown): void {
  if (value == null) out.push(0xc0);
  else if (typeof value === "boolean") out.push(value ? 0xc3 : 0xc2);
  else if (Number.isSafeInteger(value)) writeInteger(out, value as number);
  else if (typeof value === "string") {
    const utf8 = encoder.encode(value);
    writeHead(out, utf8.length, 0xa0, 32, 0xd9);
    utf8.forEach((byte) => out.push(byte));
  } else if (Array.isArray(value)) {
    writeHead(out, value.length, 0x90, 16, 0xdb, 1);
    value.forEach((item) => write(out, item));
  } else throw new TypeError(`cannot send ${typeof value} ${value}`);
}

function writeInteger(out: number[], value: number): void {
  if (value < -32) return writeSized(out, value, 0xd0, -2 * value - 1);
  writeHead(out, value, value < 0 ? 0xe0 : 0, 128, 0xcc);
}

/** In the byte of the type itself below `limit`, else after it; `wide` is the type with one byte. */
function writeHead(out: number[], value: number, type: number, limit: number, wide: number, power = 0): void {
  if (value < limit) out.push((type | value) & 255);
  else writeSized(out, value, wide, value, power);
}

/** Big-endian in the least of 1, 2, 4 or 8 bytes (2^`power`) that hold `extent`. */
function writeSized(out: number[], value: number, wide: number, extent: number, power = 0): void {
  while (extent >= 256 ** (1 << power)) power++;
  out.push(wide + power);
  for (let index = (1 << power) - 1; index >= 0; index--) out.push(Math.floor(value / 256 ** index) & 255);
}

/** The one value in `bytes`. Throws `BadFrame`: truncated, trailing bytes, too deep; `TypeError`: not UTF-8. */
export function decode(bytes: Uint8Array): unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;

  const step = (size: number): number => {
    at += size;
    if (at > bytes.length) throw new BadFrame("truncated");
    return at - size;
  };

  const uint = (size: number): number => {
    let value = 0; // beyond 2^53 it is rounded, and `int` refuses it
    for (let start = step(size); start < at; start++) value = value * 256 + view.getUint8(start);
    return value;
  };

  const int = (size: number): number => {
    const value = uint(size);
    return value < 256 ** size / 2 ? value : value - 256 ** size;
  };

  const raw = (size: number): Uint8Array => bytes.slice(step(size), at);

  const text = (size: number): string => decoder.decode(raw(size));

  const skip = (size: number): void => void step(size);

  const array = (length: number, depth: number): unknown[] => {
    const items: unknown[] = []; // grows as bytes are there, never by a declared length
    while (length-- > 0) items.push(read(depth + 1));
    return items;
  };

  const map = (length: number, depth: number): void => void array(2 * length, depth);

  const read = (depth: number): unknown => {
    if (depth > MAX_DEPTH) throw new BadFrame("too deep");
    const type = uint(1);
    if (type < 0x80) return type;
    if (type < 0x90) return map(type & 15, depth);
    if (type < 0xa0) return array(type & 15, depth);
    if (type < 0xc0) return text(type & 31);
    if (type >= 0xe0) return type - 256;
    return wide(type, depth);
  };

  const wide = (type: number, depth: number): unknown => {
    if (type === 0xc0) return null;
    if (type === 0xc1) throw new BadFrame("0xc1 is no type");
    if (type <= 0xc3) return type === 0xc3;
    if (type <= 0xc6) return raw(uint(1 << (type - 0xc4)));
    if (type <= 0xc9) return skip(1 + uint(1 << (type - 0xc7)));
    if (type <= 0xcb) return skip(type === 0xca ? 4 : 8);
    if (type <= 0xcf) return uint(1 << (type - 0xcc));
    if (type <= 0xd3) return int64(type);
    if (type <= 0xd8) return skip(1 + (1 << (type - 0xd4)));
    if (type <= 0xdb) return text(uint(1 << (type - 0xd9)));
    if (type <= 0xdd) return array(uint(1 << (type - 0xdb)), depth);
    return map(uint(1 << (type - 0xdd)), depth);
  };

  /** Eight bytes by way of BigInt: as a float the sign would cost precision. */
  const int64 = (type: number): number => (type === 0xd3 ? Number(view.getBigInt64(step(8))) : int(1 << (type - 0xd0)));

  const value = read(0);
  if (at !== bytes.length) throw new BadFrame("trailing bytes");
  return value;
}
