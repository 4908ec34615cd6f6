// The memories that guests run in. Making one takes longer than all else of a small call, so one that is still as small as it began is used again by the same module, when nothing of the call before is left in it: the guest
// could write to nothing but these bytes, and they are all set to zero. Globals and tables are no part of this: each call has an instance of its own.
'use strict';

// Larger ones are cheaper to make than to wipe; and all that are kept together stay in a runner's memory.
const MAX_KEPT = 4 * 1024 * 1024;
const MAX_KEPT_TOGETHER = 32 * 1024 * 1024;
const PAGE = 65536;

const kept = new Set(); // pools that keep a memory, the least recently used first
let keptBytes = 0;

class Memories {
  constructor(initial, maximum) {
    this.initial = initial;
    this.maximum = maximum;
    this.clean = null;
  }

  // A memory of zeroes.
  take() {
    const memory = this.clean ?? new WebAssembly.Memory({ initial: this.initial, maximum: this.maximum });
    this.drop();
    return memory;
  }

  // What giving it back will leave for the garbage collection, bytes.
  cost(memory) {
    return this.isWorthIt(memory) ? 0 : memory.buffer.byteLength;
  }

  isWorthIt(memory) {
    const size = memory.buffer.byteLength;
    return size === this.initial * PAGE && size <= MAX_KEPT; // one that has grown cannot shrink
  }

  // Keeps it for the next call, or not; says how many bytes of other memories have become garbage for that.
  giveBack(memory) {
    if (!this.isWorthIt(memory)) return 0;
    new Uint8Array(memory.buffer).fill(0);
    this.drop();
    this.clean = memory;
    kept.add(this);
    keptBytes += memory.buffer.byteLength;
    let dropped = 0;
    for (const oldest of kept) {
      if (keptBytes <= MAX_KEPT_TOGETHER || oldest === this) break;
      dropped += oldest.clean.buffer.byteLength;
      oldest.drop();
    }
    return dropped;
  }

  drop() {
    if (this.clean === null) return;
    kept.delete(this);
    keptBytes -= this.clean.buffer.byteLength;
    this.clean = null;
  }
}

module.exports = { Memories };
