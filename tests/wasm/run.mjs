// Runs the module that `run` has built, and checks what it asks the outside for: nothing.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

const module = await WebAssembly.compile(await readFile(process.argv[2]));
assert.deepEqual(WebAssembly.Module.imports(module), [], 'the module imports something');
const { exports } = await WebAssembly.instantiate(module, {});
assert.equal(exports.doubled(21), 42);
