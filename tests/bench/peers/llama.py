"""llama.cpp on a GGUF file: the figures that `origin/benches/engine/main.rs` has of Sluice's engine, measured in the same way.

Usage: llama.py FILE THREADS. One JSON line per figure.
"""

import json
import sys
import time

import llama_cpp as llama

PATH, THREADS = sys.argv[1], int(sys.argv[2])
STEPS = 16


def report(name, unit, value):
    print(json.dumps({"figure": name, "unit": unit, "value": value}), flush=True)


def context(sequences, positions):
    """A context with room for this many sequences of this many positions, all else as llama.cpp has it."""
    wanted = llama.llama_context_default_params()
    wanted.n_ctx = sequences * positions
    wanted.n_batch = 2048
    wanted.n_seq_max = sequences
    wanted.n_threads = wanted.n_threads_batch = THREADS
    made = llama.llama_init_from_model(MODEL, wanted)
    assert made, "llama.cpp could not make a context"
    return made


def decode(made, tokens):
    """One step of (token, position, sequence, wants logits)."""
    batch = llama.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for index, (token, position, sequence, logits) in enumerate(tokens):
        batch.token[index] = token
        batch.pos[index] = position
        batch.n_seq_id[index] = 1
        batch.seq_id[index][0] = sequence
        batch.logits[index] = logits
    assert llama.llama_decode(made, batch) == 0, "llama.cpp could not decode"
    llama.llama_batch_free(batch)


def prompt(made, tokens, sequence, logits):
    decode(made, [(at * 31 % 1000, at, sequence, logits and at == tokens - 1) for at in range(tokens)])


def prefill(tokens):
    made = context(1, tokens + 64)
    start = time.perf_counter()
    prompt(made, tokens, 0, True)
    llama.llama_synchronize(made)
    seconds = time.perf_counter() - start
    llama.llama_free(made)
    return seconds


def steps(rows, position):
    made = context(rows, position + 64)
    for sequence in range(rows):
        prompt(made, position, sequence, False)
    llama.llama_synchronize(made)
    start = time.perf_counter()
    for step in range(STEPS):
        decode(made, [(77, position + step, sequence, True) for sequence in range(rows)])
    llama.llama_synchronize(made)
    seconds = (time.perf_counter() - start) / STEPS
    llama.llama_free(made)
    return seconds


llama.llama_backend_init()
MODEL = llama.llama_model_load_from_file(PATH.encode(), llama.llama_model_default_params())
assert MODEL, "llama.cpp could not load the file"
prefill(16)
for count in (128, 1024):
    report(f"prefill {count}", "tok/s", count / prefill(count))
for count in (1, 4, 8, 16):
    report(f"decode {count}", "tok/s", count / steps(count, 16))
report("decode 1 at 2048", "tok/s", 1 / steps(1, 2048))
with open("/proc/self/status") as status:
    resident = next(line for line in status if line.startswith("VmRSS:"))
report("memory", "bytes", int(resident.split()[1]) * 1024)
