/**
 * MessagePack for wire values: https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * Integers are exact to 2^53-1 and always sent as integers: the server refuses a float
 * where an integer stands. Maps and extensions occur only in fields of a newer server,
 * which the table ignores; they are stepped over and read as null. No eval.
 */

import { BadFrame } from "./schema.ts";

const MAX_DEPTH = 32;
const TWO_32 = 2 ** 32;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encode(value: unknown): Uint8Array {
  const out = new Writer();
  out.value(value);
  return out.bytes.slice(0, out.size);
}

class Writer {
  bytes = new Uint8Array(256);
  size = 0;

  value(value: unknown): void {
    if (value == null) this.head(0xc0);
    else if (typeof value === "boolean") this.head(value ? 0xc3 : 0xc2);
    else if (typeof value === "number") this.number(value);
    else if (typeof value === "string") this.text(value);
    else if (value instanceof Uint8Array) {
      this.length(value.length, 0xc4);
      this.raw(value);
    } else if (Array.isArray(value)) {
      if (value.length < 16) this.head(0x90 | value.length);
      else this.length(value.length, 0xdb);
      value.forEach((item) => this.value(item));
    } else throw new TypeError(`cannot send a ${typeof value}`);
  }

  private number(value: number): void {
    if (Number.isSafeInteger(value)) return this.integer(value);
    if (Number.isInteger(value)) throw new TypeError(`${value} is not an exact integer`);
    this.room(9).setFloat64(this.size + 1, value);
    this.advance(0xcb, 9);
  }

  private integer(value: number): void {
    if (value >= -32 && value < 128) return this.head(value & 0xff);
    if (value < 0) {
      const view = this.room(9);
      if (value >= -(2 ** 31)) {
        view.setInt32(this.size + 1, value);
        return this.advance(0xd2, 5);
      }
      view.setBigInt64(this.size + 1, BigInt(value));
      return this.advance(0xd3, 9);
    }
    if (value < TWO_32) return this.length(value, 0xcc);
    const view = this.room(9);
    view.setUint32(this.size + 1, value / TWO_32);
    view.setUint32(this.size + 5, value);
    this.advance(0xcf, 9);
  }

  private text(value: string): void {
    const utf8 = encoder.encode(value);
    if (utf8.length < 32) this.head(0xa0 | utf8.length);
    else this.length(utf8.length, 0xd9);
    this.raw(utf8);
  }

  /** `first` is the code of the form with one byte; two and four bytes follow it. */
  private length(length: number, first: number): void {
    const view = this.room(5);
    // Arrays have no form with one byte: their `first`, 0xdb, is never sent.
    const width = length < 256 && first !== 0xdb ? 0 : length < 65536 ? 1 : 2;
    if (width === 0) view.setUint8(this.size + 1, length);
    else if (width === 1) view.setUint16(this.size + 1, length);
    else view.setUint32(this.size + 1, length);
    this.advance(first + width, 1 + 2 ** width);
  }

  private head(byte: number): void {
    this.room(1);
    this.advance(byte, 1);
  }

  private advance(byte: number, size: number): void {
    this.bytes[this.size] = byte;
    this.size += size;
  }

  private raw(bytes: Uint8Array): void {
    this.room(bytes.length);
    this.bytes.set(bytes, this.size);
    this.size += bytes.length;
  }

  private room(size: number): DataView {
    if (this.size + size > this.bytes.length) {
      const larger = new Uint8Array(2 * (this.size + size));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return new DataView(this.bytes.buffer);
  }
}

/** The one value in `bytes`. Throws `BadFrame`: truncated, trailing bytes, too deep, not exact. */
export function decode(bytes: Uint8Array): unknown {
  try {
    const reader = new Reader(bytes);
    const value = reader.value(0);
    if (reader.at !== bytes.length) throw new BadFrame("bytes after the message");
    return value;
  } catch (error) {
    if (error instanceof BadFrame) throw error;
    throw new BadFrame("truncated or not UTF-8"); // RangeError of the view, TypeError of the decoder
  }
}

class Reader {
  at = 0;
  private readonly bytes: Uint8Array;
  private readonly view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  value(depth: number): unknown {
    if (depth > MAX_DEPTH) throw new BadFrame("nested too deep");
    const byte = this.uint(1);
    if (byte < 0x80) return byte;
    if (byte < 0x90) return this.map(byte & 15, depth);
    if (byte < 0xa0) return this.array(byte & 15, depth);
    if (byte < 0xc0) return this.text(byte & 31);
    if (byte >= 0xe0) return byte - 256;
    return this.wide(byte, depth);
  }

  private wide(byte: number, depth: number): unknown {
    const low = byte & 3;
    if (byte <= 0xc3) return [null, undefined, false, true][low] ?? this.nil(byte);
    if (byte <= 0xc6) return this.raw(this.uint(1 << low)); // 0xc4 has low 0
    if (byte <= 0xc9) return this.extension(this.uint(1 << (byte - 0xc7)));
    if (byte === 0xca) return this.view.getFloat32(this.step(4));
    if (byte === 0xcb) return this.view.getFloat64(this.step(8));
    if (byte <= 0xcf) return this.uint(1 << low);
    if (byte <= 0xd3) return this.int(1 << low);
    if (byte <= 0xd8) return this.extension(1 << (byte - 0xd4));
    if (byte <= 0xdb) return this.text(this.uint(1 << (byte - 0xd9)));
    if (byte <= 0xdd) return this.array(this.uint(byte === 0xdc ? 2 : 4), depth);
    return this.map(this.uint(byte === 0xde ? 2 : 4), depth);
  }

  private nil(byte: number): null {
    if (byte === 0xc0) return null;
    throw new BadFrame("0xc1 is no type");
  }

  private step(size: number): number {
    const start = this.at;
    this.at += size;
    if (this.at > this.bytes.length) throw new BadFrame("truncated");
    return start;
  }

  private uint(size: number): number {
    const start = this.step(size);
    if (size === 1) return this.view.getUint8(start);
    if (size === 2) return this.view.getUint16(start);
    if (size === 4) return this.view.getUint32(start);
    return this.view.getUint32(start) * TWO_32 + this.view.getUint32(start + 4); // beyond 2^53: `int` refuses it
  }

  private int(size: number): number {
    const start = this.step(size);
    if (size === 1) return this.view.getInt8(start);
    if (size === 2) return this.view.getInt16(start);
    if (size === 4) return this.view.getInt32(start);
    return Number(this.view.getBigInt64(start));
  }

  private raw(size: number): Uint8Array {
    const start = this.step(size);
    return this.bytes.slice(start, start + size);
  }

  private text(size: number): string {
    const start = this.step(size);
    return decoder.decode(this.bytes.subarray(start, start + size));
  }

  private array(length: number, depth: number): unknown[] {
    const items: unknown[] = []; // grows as bytes are there, never by a declared length
    for (let index = 0; index < length; index++) items.push(this.value(depth + 1));
    return items;
  }

  private map(length: number, depth: number): null {
    for (let index = 0; index < 2 * length; index++) this.value(depth + 1);
    return null;
  }

  private extension(size: number): null {
    this.step(1 + size);
    return null;
  }
}
