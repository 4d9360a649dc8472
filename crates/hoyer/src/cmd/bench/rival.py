"""Answers with another runtime what `hoyer bench` asks on stdin; see rival.rs for the few words both speak.

A runtime is a function and a row of RUNTIMES: it gets the model's file, the input and the number of threads, and gives two
functions, one that answers and one that says what was answered. What can be done before the first answer is.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy


def onnxruntime(file, x, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    # Input and output stay where they are: nothing is copied in a call.
    y = onnxruntime.OrtValue.ortvalue_from_numpy(session.run(None, {name: x})[0])
    binding = session.io_binding()
    binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    binding.bind_ortvalue_output(session.get_outputs()[0].name, y)
    return lambda: session.run_with_iobinding(binding), y.numpy


def openvino(file, x, threads):
    import openvino

    core = openvino.Core()
    model = core.read_model(file)
    model.reshape(list(x.shape))
    # Where a processor can, it would compute in fewer than 32 bits.
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    request.set_input_tensor(openvino.Tensor(x))
    return request.infer, lambda: request.get_output_tensor().data


def mnn(file, x, threads):
    import MNN

    own = file + ".mnn"
    convert = ["-c", "from MNN.tools.mnnconvert import main; main()", "-f", "ONNX", "--modelFile", file]
    subprocess.run([sys.executable, *convert, "--MNNModel", own, "--bizCode", "-"], check=True, capture_output=True)
    net = MNN.Interpreter(own)
    session = net.createSession({"backend": "CPU", "numThread": threads, "precision": "high"})
    into = net.getSessionInput(session)
    net.resizeTensor(into, x.shape)
    net.resizeSession(session)
    out = net.getSessionOutput(session)

    def host(shape, numbers):
        return MNN.Tensor(shape, MNN.Halide_Type_Float, numbers, MNN.Tensor_DimensionType_Caffe)

    given = host(x.shape, x)

    def run():
        # Its input's memory takes other values while it runs.
        into.copyFrom(given)
        net.runSession(session)

    def output():
        answer = host(out.getShape(), numpy.zeros(out.getShape(), "f4"))
        out.copyToHostTensor(answer)
        return answer.getNumpyData().copy()

    return run, output


def tract(file, x, threads):
    import tract

    if threads != 1:
        sys.exit(f"{threads} threads, this one has one")
    model = tract.onnx().load(file)
    model.set_input_fact(0, ",".join(map(str, x.shape)) + ",f32")
    state, given = model.into_model().into_runnable().spawn_state(), [tract.Tensor.from_numpy(x)]
    return lambda: state.run(given), lambda: state.run(given)[0].to_numpy()


RUNTIMES = {"onnxruntime": onnxruntime, "openvino": openvino, "mnn": mnn, "tract": tract}


def main():
    # Only answers go to stdout; runtimes like to say things there.
    say = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    stdin = sys.stdin.buffer
    header = json.loads(stdin.readline())
    model = stdin.read(header["model_bytes"])
    x = numpy.frombuffer(stdin.read(4 * int(numpy.prod(header["shape"]))), "<f4").reshape(header["shape"])
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "model.onnx")
        with open(file, "wb") as out:
            out.write(model)
        run, output = RUNTIMES[sys.argv[1]](file, x, header["threads"])
    for line in stdin:
        word, *rest = line.decode().split()
        if word == "output":
            run()
            answer = numpy.asarray(output()).ravel().tolist()
        else:
            answer, end = [], time.perf_counter() + float(rest[0])
            while not answer or time.perf_counter() < end:
                before = time.perf_counter_ns()
                run()
                answer.append((time.perf_counter_ns() - before) / 1000)
        print(json.dumps(answer), file=say, flush=True)


main()
