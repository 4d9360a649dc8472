"""The networks of hoyer's zoo as PyTorch has them, and what scripts that measure both share."""

import statistics

# An allocator that keeps its memory.
KEPT = {"MALLOC_TRIM_THRESHOLD_": str(2**30), "MALLOC_MMAP_THRESHOLD_": str(2**30)}
# Steps and nodes of a series.
SERIES = (12, 207)
HOPS = 3


def spread(blocks):
    """Half of the range, as a share of the median."""
    return (max(blocks) - min(blocks)) / 2 / statistics.median(blocks)


def sample(model):
    """The shape of a sample as hoyer takes it."""
    if model == "graph-lstm":
        return SERIES
    return (1, 28, 28) if model.startswith("lenet") else (3, 32, 32)


def graph_lstm(torch):
    nn, nodes = torch.nn, SERIES[1]

    class GraphLstm(nn.Module):
        """Graph convolutions of every step into an LSTM."""

        def __init__(self):
            super().__init__()
            draw = lambda *shape: nn.Parameter(torch.empty(shape).uniform_(-(nodes**-0.5), nodes**-0.5))
            self.hops = draw(HOPS * nodes, nodes)
            # Rows of the gates in ONNX's order: in, out, forget, cell.
            self.input, self.hidden, self.bias = draw(4 * nodes, HOPS * nodes), draw(4 * nodes, nodes), draw(2, 4 * nodes)
            self.reach = [torch.ones(nodes, nodes) for _ in range(HOPS)]
            self.lstm = None

        def use_layer(self):
            """Puts the weights into PyTorch's layer, whose order is in, forget, cell, out."""
            sort = lambda x: torch.cat([x.chunk(4)[i] for i in (0, 2, 3, 1)])
            lstm = nn.LSTM(HOPS * nodes, nodes, batch_first=True)
            values = [self.input, self.hidden, self.bias[0], self.bias[1]]
            with torch.no_grad():
                for parameter, value in zip(lstm.parameters(), values, strict=True):
                    parameter.copy_(sort(value))
            del self.input, self.hidden, self.bias
            self.lstm = lstm

        def forward(self, x):
            weights = [weight * reach for weight, reach in zip(self.hops.chunk(HOPS), self.reach)]
            if self.lstm is not None:
                features = torch.cat([nn.functional.linear(x, weight) for weight in weights], dim=2)
                return self.lstm(features)[0][:, -1]
            h = c = x.new_zeros(len(x), nodes)
            for step in x.unbind(1):
                features = torch.cat([nn.functional.linear(step, weight) for weight in weights], dim=1)
                gates = nn.functional.linear(features, self.input, self.bias[0])
                gates = gates + nn.functional.linear(h, self.hidden, self.bias[1])
                i, o, f, g = gates.chunk(4, dim=1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            return h

    return GraphLstm()


def network(torch, model):
    nn = torch.nn
    if model == "graph-lstm":
        return graph_lstm(torch)

    def norm(inputs, outputs, kernel, stride=1, groups=1, after=()):
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [conv, nn.BatchNorm2d(outputs), *after]

    class Sum(nn.Module):
        """Two branches added up, then a last function."""

        def __init__(self, long, short, last):
            super().__init__()
            self.long, self.short, self.last = long, short, last

        def forward(self, x):
            return self.last(self.long(x) + self.short(x))

    class Half(nn.Module):
        """Every second pixel between channels of zeros."""

        def __init__(self, new):
            super().__init__()
            self.new = new

        def forward(self, x):
            return nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.new // 2, self.new // 2))

    def residual(inputs, outputs):
        stride = 1 if inputs == outputs else 2
        long = norm(inputs, outputs, 3, stride, after=[nn.ReLU()]) + norm(outputs, outputs, 3)
        short = nn.Identity() if stride == 1 else Half(outputs - inputs)
        return Sum(nn.Sequential(*long), short, nn.ReLU())

    def inverted(inputs, outputs, widen, stride):
        wide = inputs * widen
        long = norm(inputs, wide, 1, after=[nn.ReLU6()]) + norm(wide, wide, 3, stride, wide, after=[nn.ReLU6()])
        long = nn.Sequential(*long, *norm(wide, outputs, 1))
        if stride != 1:
            return long
        short = nn.Identity() if inputs == outputs else nn.Sequential(*norm(inputs, outputs, 1))
        return Sum(long, short, nn.Identity())

    if model == "lenet-300-100":
        layers = [nn.Linear(784, 300), nn.ReLU(), nn.Linear(300, 100), nn.ReLU(), nn.Linear(100, 10)]
        return nn.Sequential(*layers)
    if model == "lenet-5":
        return nn.Sequential(
            *(nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
        )
    if model == "resnet-20":
        widths = [16] * 4 + [32] * 3 + [64] * 3
        blocks = norm(3, 16, 3, after=[nn.ReLU()]) + [residual(*pair) for pair in zip(widths, widths[1:])]
    else:
        blocks, width = norm(3, 32, 3, after=[nn.ReLU6()]), 32
        stages = [(1, 16, 1, 1), (6, 24, 2, 1), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
        for widen, outputs, count, stride in stages:
            for number in range(count):
                blocks.append(inverted(width, outputs, widen, 1 if number else stride))
                width = outputs
        blocks += norm(width, 1280, 1, after=[nn.ReLU6()])
    features = 64 if model == "resnet-20" else 1280
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 10))
