"""Golden values of ops and their gradients, computed by PyTorch in float64.

Run: python3 ops.py        (writes ops.json beside this file; needs torch only)
Made with torch 2.15.0 on a CPU, seed 20240229. `crates/graph/tests/pytorch.rs` reads the file; Rust tests never run Python.

A case is an op as the graph stores it, its inputs, a weighting of its first output, and what PyTorch says: the
outputs, and the gradient of the weighted sum by every input (null where there is none). Inputs are multiples of 1/16,
so that f32 holds them exactly and maxima tie; attributes are exact in f32 too.
"""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(20240229)
CASES = []


def draw(*shape, low=-40, high=40):
    return torch.randint(low, high + 1, shape).double() / 16


def plain(t):
    if t is None:
        return None
    return {"shape": list(t.shape), "data": [float(f"{v:.13g}") for v in t.flatten().tolist()]}


def case(name, attributes, inputs, f):
    """`f` gives the output, or a list of outputs of which only the first is differentiated."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    outputs = f(*inputs)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    weighting = draw(*outputs[0].shape)
    gradients = torch.autograd.grad((outputs[0] * weighting).sum(), inputs, allow_unused=True)
    CASES.append({
        "op": {name: attributes},
        "inputs": [plain(x.detach()) for x in inputs],
        "weighting": plain(weighting),
        "outputs": [plain(y.detach()) for y in outputs],
        "gradients": [plain(g) for g in gradients],
    })


def window(kernel, stride, pad, dilation):
    n = len(kernel)
    return {"kernel_shape": kernel, "strides": [stride] * n, "pads": [pad] * 2 * n, "dilations": [dilation] * n}


def conv(x, outputs, kernel, stride=1, pad=0, dilation=1, group=1):
    f = {1: F.conv1d, 2: F.conv2d}[len(kernel)]
    inputs = [x, draw(outputs, x.shape[1] // group, *kernel), draw(outputs)]
    attributes = {**window(kernel, stride, pad, dilation), "group": group}
    case("Conv", attributes, inputs, lambda x, w, b: f(x, w, b, stride, pad, dilation, group))


conv(draw(2, 3, 5, 4), 2, [3, 3], pad=1)
conv(draw(1, 2, 7, 6), 3, [3, 3], stride=2, pad=1)
conv(draw(1, 4, 5, 5), 6, [3, 2], stride=2, pad=2, dilation=2, group=2)
conv(draw(1, 3, 5, 4), 3, [3, 3], stride=2, pad=1, group=3)
conv(draw(2, 3, 3, 3), 2, [1, 1], stride=2)
conv(draw(1, 1, 2, 3), 2, [5, 5], stride=3, pad=2)
conv(draw(2, 2, 9), 3, [3], stride=2, pad=2, dilation=2)
uneven = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 2, 3], "dilations": [1, 2], "group": 1}
case("Conv", uneven, [draw(1, 2, 4, 3), draw(2, 2, 3, 2)],
     lambda x, w: F.conv2d(F.pad(x, (0, 3, 1, 2)), w, None, (2, 1), 0, (1, 2)))


def max_pool(x, kernel, stride, pad=0, dilation=1, ceil=False):
    f = {1: F.max_pool1d, 2: F.max_pool2d}[len(kernel)]
    attributes = {**window(kernel, stride, pad, dilation), "ceil_mode": ceil}
    case("MaxPool", attributes, [x], lambda x: f(x, kernel, stride, pad, dilation, ceil))


def coarse(*shape):
    """Few different values: nearly every window has ties."""
    return torch.randint(-1, 2, shape).double()


max_pool(draw(2, 2, 5, 4), [2, 2], 2)
max_pool(coarse(1, 2, 6, 6), [2, 2], 2)
max_pool(coarse(1, 2, 7, 6), [3, 3], 2, pad=1)
max_pool(coarse(1, 2, 6, 5), [3, 2], 2, pad=1, ceil=True)
max_pool(coarse(1, 1, 7, 8), [3, 2], 1, pad=1, dilation=2)
max_pool(coarse(1, 2, 8), [3], 3, pad=1, ceil=True)


def average_pool(x, kernel, stride, pad=0, ceil=False, include=False):
    f = {1: F.avg_pool1d, 2: F.avg_pool2d}[len(kernel)]
    attributes = {**window(kernel, stride, pad, 1), "ceil_mode": ceil, "count_include_pad": include}
    case("AveragePool", attributes, [x], lambda x: f(x, kernel, stride, pad, ceil, include))


average_pool(draw(2, 2, 5, 4), [2, 2], 2)
for ceil in (False, True):
    for include in (False, True):
        average_pool(draw(1, 2, 6, 5), [3, 2], 2, pad=1, ceil=ceil, include=include)
average_pool(draw(1, 2, 8), [3], 2, pad=1, ceil=True, include=True)
case("GlobalAveragePool", None, [draw(2, 3, 3, 5)], lambda x: F.adaptive_avg_pool2d(x, 1))


def batch_norm(x, training, epsilon=2**-10, keep=0.875):
    """The running variance is ONNX's (of the biased batch variance); PyTorch's own would be of the unbiased one."""
    channels = x.shape[1]
    statistics = [draw(channels), draw(channels, low=8)]

    def f(x, scale, shift, mean, var):
        running = [mean.detach().clone(), var.detach().clone()]
        y = F.batch_norm(x, *running, scale, shift, training, 1 - keep, epsilon)
        if not training:
            return y
        axes = [i for i in range(x.dim()) if i != 1]
        biased = x.detach().var(axes, unbiased=False)
        saved = [x.detach().mean(axes), (biased + epsilon).rsqrt()]
        return [y, running[0], keep * var.detach() + (1 - keep) * biased, *saved]

    attributes = {"epsilon": epsilon, "momentum": keep, "training": training}
    case("BatchNormalization", attributes, [x, draw(channels), draw(channels), *statistics], f)


for training in (True, False):
    batch_norm(draw(5, 3), training)
    batch_norm(draw(2, 3, 3, 2), training)
    batch_norm(draw(1, 2, 5), training)

for axis in (0, 1, -1):
    case("Softmax", {"axis": axis}, [draw(3, 2, 4)], lambda x: F.softmax(x, axis))
    case("LogSoftmax", {"axis": axis}, [draw(3, 2, 4)], lambda x: F.log_softmax(x, axis))

case("LeakyRelu", {"alpha": 0.125}, [draw(3, 5)], lambda x: F.leaky_relu(x, 0.125))
case("Sigmoid", None, [draw(3, 5)], torch.sigmoid)
case("Tanh", None, [draw(3, 5)], torch.tanh)
case("MatMul", None, [draw(3, 1, 2, 4), draw(2, 4, 3)], torch.matmul)
for mode, name in (("reflect", "reflect"), ("edge", "replicate")):
    case("Pad", {"pads": [0, 0, 1, 2, 0, 0, 2, 1], "mode": mode, "value": 0.0}, [draw(1, 2, 3, 4)],
         lambda x: F.pad(x, (2, 1, 1, 2), mode=name))

case("Gelu", {"approximate": "none"}, [draw(3, 5)], F.gelu)
case("Gelu", {"approximate": "tanh"}, [draw(3, 5)], lambda x: F.gelu(x, approximate="tanh"))
case("HardSwish", None, [draw(3, 40, low=-80, high=80)], F.hardswish)
case("Elu", {"alpha": 0.75}, [draw(3, 5)], lambda x: F.elu(x, 0.75))
case("Softplus", None, [draw(3, 5)], F.softplus)
case("Erf", None, [draw(3, 5)], torch.erf)
case("Abs", None, [draw(3, 5)], torch.abs)
case("PRelu", None, [draw(2, 3, 2), draw(3, 1)], lambda x, slope: F.prelu(x, slope.flatten()))
case("Pow", None, [draw(3, 5, low=1), draw(5)], torch.pow)

# An exact epsilon; PyTorch's scales of a layer have its shape, those of groups and instances one number a channel.
EPSILON = 2**-10
for axis, shape in ((-1, [4]), (1, [3, 4])):
    case("LayerNormalization", {"axis": axis, "epsilon": EPSILON}, [draw(2, 3, 4), draw(*shape), draw(*shape)],
         lambda x, scale, bias: F.layer_norm(x, shape, scale, bias, EPSILON))
case("InstanceNormalization", {"epsilon": EPSILON}, [draw(2, 3, 3, 4), draw(3), draw(3)],
     lambda x, scale, bias: F.instance_norm(x, None, None, scale, bias, True, 0.1, EPSILON))
for groups in (1, 2, 4):
    case("GroupNormalization", {"num_groups": groups, "epsilon": EPSILON}, [draw(2, 4, 3, 2), draw(4), draw(4)],
         lambda x, scale, bias: F.group_norm(x, groups, scale, bias, EPSILON))


def conv_transpose(x, outputs, kernel, stride=1, pad=0, dilation=1, group=1, output_padding=0):
    f = {1: F.conv_transpose1d, 2: F.conv_transpose2d}[len(kernel)]
    inputs = [x, draw(x.shape[1], outputs // group, *kernel), draw(outputs)]
    attributes = {
        **window(kernel, stride, pad, dilation), "group": group, "output_padding": [output_padding] * len(kernel)
    }
    case("ConvTranspose", attributes, inputs,
         lambda x, w, b: f(x, w, b, stride, pad, output_padding, group, dilation))


conv_transpose(draw(2, 3, 4, 3), 2, [3, 3], pad=1)
conv_transpose(draw(1, 2, 3, 4), 3, [2, 2], stride=2)
conv_transpose(draw(1, 4, 3, 2), 6, [3, 2], stride=2, pad=1, group=2, output_padding=1)
conv_transpose(draw(1, 2, 5), 3, [3], stride=3, pad=2, dilation=2, output_padding=2)

case("Max", None, [draw(3, 20), draw(20)], torch.maximum)
case("Min", None, [draw(3, 20), draw(3, 1)], torch.minimum)
for axes in ([0], [1, 2]):
    reduced = {"axes": axes, "keepdims": axes == [0]}
    case("ReduceMax", reduced, [draw(4, 3, 5, low=-4, high=4)], lambda x: x.amax(axes, axes == [0]))
    case("ReduceMin", reduced, [draw(4, 3, 5, low=-4, high=4)], lambda x: x.amin(axes, axes == [0]))
case("ReduceProd", {"axes": [1], "keepdims": False}, [draw(12, 3, low=-2, high=2)], lambda x: x.prod(1))
case("Mod", {"sign_of_a": False}, [draw(3, 5), draw(5, low=1)], torch.remainder)
case("Mod", {"sign_of_a": True}, [draw(3, 5), draw(5, low=1)], torch.fmod)
case("Sin", None, [draw(3, 5)], torch.sin)
case("Cos", None, [draw(3, 5)], torch.cos)
for name, f in (("Floor", torch.floor), ("Ceil", torch.ceil), ("Round", torch.round), ("Sign", torch.sign)):
    case(name, None, [draw(3, 9)], f)

head = json.dumps({"torch": torch.__version__, "seed": 20240229})
lines = ",\n".join(json.dumps(c) for c in CASES)
path = pathlib.Path(__file__).with_name("ops.json")
path.write_text(f'{{"made_with": {head},\n"cases": [\n{lines}\n]}}\n')
print(f"{len(CASES)} cases, {path.stat().st_size} bytes")
