//! No op panics on attributes and shapes that make no sense: it refuses them, or it computes something.

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use std::collections::BTreeMap;

/// Numbers that break careless arithmetic, and ordinary ones more often.
fn size(numbers: &mut Numbers) -> usize {
    const SIZES: [usize; 9] = [0, 1, 2, 3, 7, 1 << 31, 1 << 40, usize::MAX - 1, usize::MAX];
    if numbers.index(8) == 0 { SIZES[numbers.index(SIZES.len())] } else { 1 + numbers.index(5) }
}

fn signed(numbers: &mut Numbers) -> i64 {
    const SIGNED: [i64; 12] =
        [0, 1, 2, 3, -1, -2, -3, 5, i64::MIN, i64::MAX, i32::MAX as i64, -(1 << 40)];
    SIGNED[numbers.index(SIGNED.len())]
}

fn number(numbers: &mut Numbers) -> f32 {
    [0.0, 1.0, 0.5, -1.0, f32::NAN, f32::INFINITY, 1e-5, f32::MAX][numbers.index(8)]
}

fn sizes(numbers: &mut Numbers, len: usize) -> Vec<usize> {
    (0..len).map(|_| size(numbers)).collect()
}

fn signs(numbers: &mut Numbers, len: usize) -> Vec<i64> {
    (0..len).map(|_| signed(numbers)).collect()
}

fn coin(numbers: &mut Numbers) -> bool {
    numbers.index(2) == 0
}

fn dim(numbers: &mut Numbers) -> Dim {
    if numbers.index(8) == 0 { Dim::symbol("n") } else { Dim::from(size(numbers)) }
}

fn shape(numbers: &mut Numbers, rank: usize) -> Shape {
    Shape((0..rank).map(|_| dim(numbers)).collect())
}

/// A window that is often sound, for `rank` axes or for a few more or less.
fn window(numbers: &mut Numbers, rank: usize) -> Window {
    let small = |numbers: &mut Numbers, len: usize, low: usize| -> Vec<usize> {
        let odd = numbers.index(6) == 0;
        (0..len).map(|_| if odd { size(numbers) } else { low + numbers.index(2) }).collect()
    };
    let rank = if numbers.index(10) == 0 { numbers.index(4) } else { rank };
    Window {
        kernel_shape: small(numbers, rank, 1),
        strides: small(numbers, rank, 1),
        pads: small(numbers, 2 * rank, 0),
        dilations: small(numbers, rank, 1),
    }
}

/// Shapes that fit each other often enough to get past the first check.
fn types(numbers: &mut Numbers, rank: usize) -> Vec<Type> {
    let first = shape(numbers, rank);
    let channels = first.0.get(1).cloned().into_iter().collect::<Vec<_>>();
    (0..=numbers.index(6))
        .map(|i| {
            let shape = match numbers.index(6) {
                0 | 1 => first.clone(),
                2 if i > 0 => Shape(channels.clone()),
                3 if i > 0 => Shape(first.0.iter().rev().cloned().collect()),
                4 if i > 0 => Shape(first.0.iter().take(1).cloned().collect()),
                _ => {
                    let rank = numbers.index(6);
                    shape(numbers, rank)
                }
            };
            if numbers.index(8) == 0 { Type::i64(shape) } else { Type::f32(shape) }
        })
        .collect()
}

/// A convolution or a gradient of one, with inputs that fit unless a number went wild.
fn convolution(numbers: &mut Numbers, rank: usize) -> (Op, Vec<Type>) {
    let window = window(numbers, rank.saturating_sub(2));
    let group = if coin(numbers) { 1 } else { size(numbers) };
    let (inner, outer) = (size(numbers), size(numbers));
    let x = shape(numbers, rank.saturating_sub(2));
    let kernel = window.kernel_shape.iter().map(|&k| Dim::from(k));
    let lead = [dim(numbers), Dim::from(group.wrapping_mul(inner))];
    let x = Shape(lead.iter().cloned().chain(x.0).collect());
    let lead = [Dim::from(group.wrapping_mul(outer)), Dim::from(inner)];
    let w = Shape(lead.into_iter().chain(kernel).collect());
    let conv = Conv { window, group };
    let types = vec![Type::f32(x.clone()), Type::f32(w.clone())];
    let y = conv.infer(&types).map_or_else(|_| Type::f32(x.clone()), |y| y[0].clone());
    let spatial = x.0[2..].to_vec();
    match numbers.index(3) {
        0 => (conv.into(), types),
        1 => (ConvInputGradient { conv, spatial }.into(), vec![y, Type::f32(w)]),
        _ => (ConvWeightGradient { conv }.into(), vec![y, Type::f32(x)]),
    }
}

fn pool(numbers: &mut Numbers, rank: usize) -> Op {
    let window = window(numbers, rank.saturating_sub(2));
    let (ceil_mode, count_include_pad) = (coin(numbers), coin(numbers));
    let spatial = shape(numbers, rank.saturating_sub(2)).0;
    let max = MaxPool { window: window.clone(), ceil_mode };
    let average = AveragePool { window, ceil_mode, count_include_pad };
    match numbers.index(5) {
        0 => max.into(),
        1 => MaxPoolGradient { pool: max }.into(),
        2 => average.into(),
        3 => AveragePoolGradient { pool: average, spatial }.into(),
        _ => GlobalAveragePool.into(),
    }
}

fn elementwise(numbers: &mut Numbers) -> Op {
    let alpha = number(numbers);
    let limit = |numbers: &mut Numbers| coin(numbers).then(|| number(numbers));
    let clip = Clip { min: limit(numbers), max: limit(numbers) };
    let ops: [Op; 17] = [
        Add.into(),
        Sub.into(),
        Mul.into(),
        Div.into(),
        Neg.into(),
        Identity.into(),
        Relu.into(),
        ReluGradient.into(),
        Sigmoid.into(),
        SigmoidGradient.into(),
        Tanh.into(),
        TanhGradient.into(),
        LeakyRelu { alpha }.into(),
        LeakyReluGradient { alpha }.into(),
        clip.clone().into(),
        ClipGradient { clip }.into(),
        Dropout { ratio: alpha, seed: numbers.bits(), training: coin(numbers) }.into(),
    ];
    ops[numbers.index(ops.len())].clone()
}

fn normalizing(numbers: &mut Numbers) -> Op {
    let (axis, epsilon) = (signed(numbers), number(numbers));
    let (momentum, training) = (number(numbers), coin(numbers));
    let ops: [Op; 9] = [
        Softmax { axis }.into(),
        SoftmaxGradient { axis }.into(),
        LogSoftmax { axis }.into(),
        LogSoftmaxGradient { axis }.into(),
        SoftmaxCrossEntropyLoss.into(),
        SoftmaxCrossEntropyLossGradient.into(),
        BatchNormalization { epsilon, momentum, training }.into(),
        BatchNormalizationGradient.into(),
        BatchNormalizationInferenceGradient { epsilon }.into(),
    ];
    ops[numbers.index(ops.len())].clone()
}

fn reshaping(numbers: &mut Numbers, rank: usize) -> Op {
    let count = numbers.index(3);
    let [starts, ends, axes, steps] = [0; 4].map(|_| signs(numbers, count));
    let (slice, axis) = (Slice { starts, ends, axes: axes.clone(), steps }, signed(numbers));
    let mode = [PadMode::Constant, PadMode::Reflect, PadMode::Edge][numbers.index(3)];
    let mut pads = sizes(numbers, 2 * rank);
    if coin(numbers) {
        pads.iter_mut().for_each(|pad| *pad %= 3);
    }
    let pad = Pad { pads, mode, value: number(numbers) };
    let (mean, shape) =
        (ReduceMean { axes: axes.clone(), keepdims: coin(numbers) }, shape(numbers, rank));
    let mut perm = if coin(numbers) { sizes(numbers, rank) } else { (0..rank).rev().collect() };
    perm.truncate(6);
    let gemm = Gemm {
        alpha: number(numbers),
        beta: number(numbers),
        trans_a: coin(numbers),
        trans_b: coin(numbers),
    };
    let places = 2 + numbers.index(2) * 100;
    let indices = (0..numbers.index(4)).map(|_| numbers.index(places)).collect();
    let select = Select { axis: axis % 3, indices };
    let ops: [Op; 16] = [
        select.clone().into(),
        SelectGradient { select, shape: shape.clone() }.into(),
        slice.clone().into(),
        SliceGradient { slice, shape: shape.clone() }.into(),
        pad.clone().into(),
        PadGradient { pad }.into(),
        mean.clone().into(),
        ReduceMeanGradient { mean, shape: shape.clone() }.into(),
        ReduceSum { axes, keepdims: coin(numbers) }.into(),
        Transpose { perm }.into(),
        Concat { axis }.into(),
        MatMul.into(),
        gemm.into(),
        Flatten { axis }.into(),
        Reshape { shape: shape.clone() }.into(),
        Expand { shape }.into(),
    ];
    ops[numbers.index(ops.len())].clone()
}

/// Computes the op where its inputs and outputs are small, with every symbol at `n`.
fn evaluate_small(op: &Op, inputs: &[Type], outputs: &[Type], n: usize) -> bool {
    let bindings = Bindings::from([("n".to_owned(), n)]);
    let bound = |kinds: &[Type]| -> Option<Vec<Vec<usize>>> {
        let shapes = kinds.iter().map(|kind| kind.shape.bind(&bindings).ok());
        let small = |dims: &Vec<usize>| {
            dims.iter().all(|&dim| dim < 100) && dims.iter().product::<usize>() < 2000
        };
        shapes.collect::<Option<Vec<_>>>().filter(|shapes| shapes.iter().all(small))
    };
    let (Some(from), Some(to)) = (bound(inputs), bound(outputs)) else { return false };
    let arrays: Vec<Array> = from.iter().map(|shape| Array::zeros(shape)).collect();
    let found = op.rule().evaluate(&arrays.iter().collect::<Vec<_>>(), &to, 0);
    assert_eq!(found.iter().map(|array| array.shape.clone()).collect::<Vec<_>>(), to, "{op:?}");
    true
}

/// Builds the op and its gradient in a graph.
fn differentiate(op: &Op, inputs: &[Type]) -> Result<()> {
    let mut g = Graph::new("hostile");
    let inputs: Vec<_> = inputs.iter().map(|kind| g.input("x", kind.clone())).collect();
    let y = g.add_all("op", op.clone(), &inputs)?[0];
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[y])?;
    gradient(&mut g, loss, &inputs).map(|_| ())
}

/// Inputs that fit an op whose inputs differ in shape; `None` for all other ops.
fn fitting(op: &Op, first: &Shape) -> Option<Vec<Type>> {
    let t = |shape: &Shape| Type::f32(shape.clone());
    let part = |range: std::ops::Range<usize>| Some(Shape(first.0.get(range)?.to_vec()));
    let output = |op: Op| op.rule().infer(&[t(first)]).ok().map(|kinds| kinds[0].clone());
    Some(match op {
        Op::BatchNormalization(_) => [vec![t(first)], vec![t(&part(1..2)?); 4]].concat(),
        Op::BatchNormalizationGradient(_) | Op::BatchNormalizationInferenceGradient(_) => {
            [vec![t(first); 2], vec![t(&part(1..2)?); 3]].concat()
        }
        Op::SoftmaxCrossEntropyLoss(_) => vec![t(&part(0..2)?), Type::i64(part(0..1)?)],
        Op::SoftmaxCrossEntropyLossGradient(_) => {
            vec![t(&part(0..2)?), Type::i64(part(0..1)?), Type::f32([0; 0])]
        }
        Op::MaxPoolGradient(op) => {
            let y = output(op.pool.clone().into())?;
            vec![y.clone(), t(first), y]
        }
        Op::AveragePoolGradient(op) => {
            let x = Shape(part(0..2)?.0.into_iter().chain(op.spatial.clone()).collect());
            op.pool.infer(&[t(&x)]).ok()?
        }
        Op::SliceGradient(op) => op.slice.infer(&[t(&op.shape)]).ok()?,
        Op::SelectGradient(op) => op.select.infer(&[t(&op.shape)]).ok()?,
        Op::ReduceMeanGradient(op) => op.mean.infer(&[t(&op.shape)]).ok()?,
        Op::Gemm(_) | Op::MatMul(_) => {
            let matrix = part(0..2)?;
            vec![t(&matrix), t(&Shape(matrix.0.into_iter().rev().collect()))]
        }
        _ => return None,
    })
}

#[test]
fn nonsense_is_refused_or_computed_but_never_a_panic() {
    let mut numbers = Numbers(20_240_229);
    let mut seen: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
    for _ in 0..400_000 {
        let rank = numbers.index(5);
        let mut inputs = types(&mut numbers, rank);
        let op = match numbers.index(6) {
            0 | 1 => {
                let (op, fitting) = convolution(&mut numbers, rank);
                inputs = if numbers.index(10) == 0 { inputs } else { fitting };
                op
            }
            2 => pool(&mut numbers, rank),
            3 => elementwise(&mut numbers),
            4 => normalizing(&mut numbers),
            _ => reshaping(&mut numbers, rank),
        };
        if let Some(fitting) = fitting(&op, &inputs[0].shape)
            && numbers.index(4) > 0
        {
            inputs = fitting;
        }
        let [computed, differentiated] = seen.entry(op.name()).or_default();
        if let Ok(outputs) = op.rule().infer(&inputs) {
            let _ = op.rule().macs(&inputs, &outputs);
            for n in [0, 1, 3] {
                *computed += usize::from(evaluate_small(&op, &inputs, &outputs, n));
            }
            *differentiated += usize::from(differentiate(&op, &inputs).is_ok());
        }
    }
    for (name, [computed, differentiated]) in seen {
        assert!(computed >= 50, "{name} was computed {computed} times only");
        let backward = name.ends_with("Gradient");
        assert!(backward || differentiated >= 50, "{name}: {differentiated} gradients only");
    }
}
