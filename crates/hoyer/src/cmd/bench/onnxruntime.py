"""Answers with onnxruntime what `hoyer bench` asks on stdin; see rival.rs for the few words both speak."""
import json
import sys
import time

import numpy
import onnxruntime

stdin = sys.stdin.buffer
header = json.loads(stdin.readline())
model = stdin.read(header["model_bytes"])
x = numpy.frombuffer(stdin.read(4 * int(numpy.prod(header["shape"]))), "<f4").reshape(header["shape"])

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = header["threads"]
options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
# Input and output stay where they are: nothing is copied in a call.
y = onnxruntime.OrtValue.ortvalue_from_numpy(session.run(None, {session.get_inputs()[0].name: x})[0])
binding = session.io_binding()
binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
binding.bind_ortvalue_output(session.get_outputs()[0].name, y)

for line in stdin:
    word, *rest = line.decode().split()
    if word == "output":
        session.run_with_iobinding(binding)
        answer = y.numpy().ravel().tolist()
    else:
        answer, end = [], time.perf_counter() + float(rest[0])
        while not answer or time.perf_counter() < end:
            before = time.perf_counter_ns()
            session.run_with_iobinding(binding)
            answer.append((time.perf_counter_ns() - before) / 1000)
    print(json.dumps(answer), flush=True)
