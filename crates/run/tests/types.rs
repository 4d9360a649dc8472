//! Programs compute what the graph means where values are integers or truth values.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use hoyer_graph::check::Numbers;
use hoyer_graph::*;
use hoyer_kernels::pool::Pool;
use hoyer_run::Program;
use std::slice::from_ref;
use std::sync::Arc;

/// What a program says of a value, whatever its type.
fn numbers_of(program: &Program, graph: &Graph, id: ValueId) -> Vec<f64> {
    match graph.value(id).kind.dtype {
        DType::F32 => program.value(id).iter().map(|x| f64::from(*x)).collect(),
        DType::I64 | DType::Bool => program.integers(id).iter().map(|x| *x as f64).collect(),
    }
}

/// Compares the graph's outputs with their meaning, on one thread and on two, each after two runs.
fn compare(graph: &Graph, inputs: &[Array]) {
    let want = evaluate(graph, inputs, &graph.outputs, 0).unwrap();
    for threads in [1, 2] {
        let pool = Arc::new(Pool::new(threads));
        let mut program = Program::compile(graph, &Bindings::new(), &graph.outputs, &pool).unwrap();
        for _ in 0..2 {
            for (id, array) in graph.inputs.iter().zip(inputs) {
                if graph.value(*id).kind.dtype == DType::F32 {
                    let to = program.input_mut(*id).iter_mut();
                    to.zip(&array.data).for_each(|(to, x)| *to = *x as f32);
                } else {
                    let to = program.labels_mut(*id).iter_mut();
                    to.zip(&array.data).for_each(|(to, x)| *to = *x as i64);
                }
            }
            program.run(&mut graph.params.clone(), 0);
            for (id, want) in graph.outputs.iter().zip(&want) {
                let got = numbers_of(&program, graph, *id);
                assert_eq!(got.len(), want.data.len());
                let is_f32 = graph.value(*id).kind.dtype == DType::F32;
                for (i, (got, want)) in got.iter().zip(&want.data).enumerate() {
                    // What is no number is the integer 0.
                    let want = if want.is_nan() && !is_f32 { 0.0 } else { *want };
                    let same = got.is_nan() && want.is_nan();
                    let gap = (got - want).abs() / want.abs().max(1.0);
                    let name = &graph.value(*id).name;
                    assert!(same || gap < 1e-5, "`{name}` at {i}: {got}, need {want}");
                }
            }
        }
    }
}

/// Numbers of a type; integers and f32 meet now and then.
fn array(numbers: &mut Numbers, kind: &Type) -> Array {
    let shape = kind.shape.fixed().unwrap();
    Array::from_fn(&shape, |_| match kind.dtype {
        DType::F32 => (numbers.index(9) as f64 - 4.0) * 0.5,
        DType::I64 => numbers.index(9) as f64 - 4.0,
        DType::Bool => numbers.index(2) as f64,
    })
}

/// One op over inputs of these types, with every output.
fn op(op: impl Into<Op>, kinds: &[Type]) {
    let (mut g, mut numbers) = (Graph::new("op"), Numbers(7));
    let inputs: Vec<ValueId> =
        kinds.iter().enumerate().map(|(i, kind)| g.input(&format!("x{i}"), kind.clone())).collect();
    g.outputs = g.add_all("op", op, &inputs).unwrap();
    let arrays: Vec<Array> = kinds.iter().map(|kind| array(&mut numbers, kind)).collect();
    compare(&g, &arrays);
}

/// One op with its first output and every gradient; numbers keep away from ties and steps.
fn with_gradients(op: impl Into<Op>, kinds: &[Type]) {
    let (mut g, mut numbers) = (Graph::new("op"), Numbers(5));
    let (mut inputs, mut given, mut wrt) = (Vec::new(), Vec::new(), Vec::new());
    for (i, kind) in kinds.iter().enumerate() {
        let name = format!("x{i}");
        if kind.dtype == DType::F32 {
            let tensor = numbers.tensor(&kind.shape.fixed().unwrap());
            wrt.push(g.param(&name, Role::Weight, tensor).unwrap());
            inputs.push(wrt[wrt.len() - 1]);
        } else {
            given.push(array(&mut numbers, kind));
            inputs.push(g.input(&name, kind.clone()));
        }
    }
    let y = g.add("op", op, &inputs).unwrap();
    let weights = numbers.tensor(&g.value(y).kind.shape.fixed().unwrap());
    let weights = g.param("weights", Role::Constant, weights).unwrap();
    let weighted = g.add("weighted", Mul, &[y, weights]).unwrap();
    let loss = g.add("loss", ReduceSum { axes: vec![], keepdims: false }, &[weighted]).unwrap();
    let gradients = gradient(&mut g, loss, &wrt).unwrap();
    g.outputs = [vec![y], gradients].concat();
    compare(&g, &given);
}

/// Shapes that broadcast, large and small.
const PAIRS: [[&[usize]; 2]; 6] = [
    [&[3, 5], &[3, 5]],
    [&[3, 5], &[5]],
    [&[4, 1, 5], &[3, 1]],
    [&[], &[2, 2]],
    [&[1], &[1, 1]],
    [&[130, 300], &[130, 1]],
];

fn pairs(make: impl Fn() -> Op, dtypes: &[DType]) {
    for shapes in PAIRS {
        for &dtype in dtypes {
            op(make(), &shapes.map(|shape| Type { dtype, shape: Shape::from(shape) }));
        }
    }
}

#[test]
fn comparisons_compute_their_meaning() {
    use DType::{Bool, F32, I64};
    pairs(|| Equal.into(), &[F32, I64, Bool]);
    pairs(|| Greater.into(), &[F32, I64]);
    pairs(|| GreaterOrEqual.into(), &[F32, I64]);
    pairs(|| Less.into(), &[F32, I64]);
    pairs(|| LessOrEqual.into(), &[F32, I64]);
}

#[test]
fn truth_values_and_integers_compute_their_meaning() {
    pairs(|| And.into(), &[DType::Bool]);
    pairs(|| Or.into(), &[DType::Bool]);
    pairs(|| Xor.into(), &[DType::Bool]);
    op(Not, &[Type::bool([3, 5])]);
    pairs(|| Add.into(), &[DType::I64]);
    pairs(|| Sub.into(), &[DType::I64]);
    pairs(|| Mul.into(), &[DType::I64]);
    pairs(|| IntegerDiv.into(), &[DType::I64]);
    pairs(|| Max.into(), &[DType::I64, DType::F32]);
    pairs(|| Min.into(), &[DType::I64, DType::F32]);
    for sign_of_a in [false, true] {
        pairs(|| Mod { sign_of_a }.into(), &[DType::I64, DType::F32]);
    }
    op(Sign, &[Type::i64([3, 5])]);
    op(Neg, &[Type::i64([3, 5])]);
}

#[test]
fn casts_compute_their_meaning() {
    for to in [DType::F32, DType::I64, DType::Bool] {
        for kind in [Type::f32([3, 5]), Type::i64([3, 5]), Type::bool([3, 5])] {
            op(Cast { to }, &[kind]);
        }
    }
}

#[test]
fn choices_compute_their_meaning() {
    for [c, a, b] in [
        [vec![3, 5], vec![3, 5], vec![3, 5]],
        [vec![5], vec![3, 1], vec![]],
        [vec![2, 3, 1], vec![1, 5], vec![3, 5]],
        [vec![70, 1, 300], vec![], vec![300]],
        [vec![], vec![4], vec![1]],
        [vec![0, 2], vec![2], vec![1]],
    ] {
        let [c, a, b] = [c, a, b].map(|shape| Shape::from(shape.as_slice()));
        op(Where, &[Type::bool(c.clone()), Type::f32(a.clone()), Type::f32(b.clone())]);
        op(Where, &[Type::bool(c.clone()), Type::i64(a.clone()), Type::i64(b.clone())]);
        op(Where, &[Type::bool(c), Type::bool(a), Type::bool(b)]);
    }
}

#[test]
fn integers_and_truth_values_move_like_other_numbers() {
    for kind in [Type::i64([2, 3]), Type::bool([2, 3])] {
        op(Concat { axis: 1 }, &[kind.clone(), kind.clone(), kind.clone()]);
        op(Transpose { perm: vec![1, 0] }, from_ref(&kind));
        op(Slice::along(1, 1..3), from_ref(&kind));
        op(Split { axis: 1, sizes: vec![1, 2] }, from_ref(&kind));
        op(Expand { shape: Shape::from([4, 2, 3]) }, from_ref(&kind));
        op(Reshape { shape: Shape::from([6]) }, from_ref(&kind));
        op(Unsqueeze { axes: vec![0] }, from_ref(&kind));
        op(Identity, &[kind]);
    }
}

#[test]
fn constants_and_views_of_integers_keep_apart_from_f32() {
    let mut g = Graph::new("g");
    let x = g.input("x", Type::f32([2, 3]));
    let limits = Constant { dtype: DType::I64, shape: vec![3], data: vec![1, 0, -1] };
    let limits = g.add("limits", limits, &[]).unwrap();
    let whole = g.add("whole", Cast { to: DType::I64 }, &[x]).unwrap();
    let line = g.add("line", Reshape { shape: Shape::from([3, 2]) }, &[whole]).unwrap();
    let above = g.add("above", Greater, &[whole, limits]).unwrap();
    let neg = g.add("neg", Neg, &[x]).unwrap();
    let relu = g.add("relu", Where, &[above, neg, x]).unwrap();
    let idle = Constant { dtype: DType::Bool, shape: vec![1], data: vec![1] };
    g.add("idle", idle, &[]).unwrap();
    g.outputs = vec![relu, line, above, limits, whole];
    let x = Array::new(&[2, 3], vec![1.5, -0.5, -2.0, 3.0, 0.5, -1.0]);
    compare(&g, &[x]);
}

#[test]
fn gathers_compute_their_meaning() {
    for axis in [0, 1, 2, -1] {
        for index in [vec![], vec![7], vec![2, 3], vec![0]] {
            // Indices run from −4 to 4: some of them are out of range.
            let index = Type::i64(index.as_slice());
            for x in [Type::f32([3, 4, 5]), Type::i64([5, 5, 5]), Type::bool([5, 5, 5])] {
                op(Gather { axis }, &[x, index.clone()]);
            }
            let shape = [5_usize, 6, 7];
            let at = if axis < 0 { axis + 3 } else { axis } as usize;
            let indices = index.shape.fixed().unwrap();
            let dy = [&shape[..at], &indices, &shape[at + 1..]].concat();
            let gradient = GatherGradient { axis, shape: Shape::from(shape) };
            op(gradient, &[Type::f32(dy.as_slice()), index.clone()]);
        }
    }
    op(Gather { axis: 0 }, &[Type::f32([9, 300]), Type::i64([150])]);
    let index = Type::i64([3, 2, 5]);
    op(GatherElements { axis: 1 }, &[Type::f32([3, 4, 5]), index.clone()]);
    let gradient = GatherElementsGradient { axis: 1, shape: Shape::from([3, 4, 5]) };
    op(gradient, &[Type::f32([3, 2, 5]), index]);
}

#[test]
fn extremes_and_their_places_compute_their_meaning() {
    for kind in [Type::f32([3, 7, 5]), Type::i64([3, 7, 5]), Type::f32([2, 70, 300])] {
        for axis in [0, 1, -1] {
            for last in [false, true] {
                op(ArgMax { axis, keepdims: true, last }, from_ref(&kind));
                op(ArgMin { axis, keepdims: false, last }, from_ref(&kind));
            }
        }
        for axes in [vec![], vec![0], vec![-1], vec![0, 2], vec![1], vec![1, 2]] {
            op(ReduceMax { axes: axes.clone(), keepdims: true }, from_ref(&kind));
            op(ReduceMin { axes: axes.clone(), keepdims: false }, from_ref(&kind));
            op(ReduceSum { axes, keepdims: false }, from_ref(&kind));
        }
    }
    for axes in [vec![], vec![0], vec![-1], vec![0, 2]] {
        op(ReduceProd { axes: axes.clone(), keepdims: true }, &[Type::i64([3, 2, 3])]);
        op(ReduceProd { axes, keepdims: true }, &[Type::f32([3, 2, 3])]);
    }
    op(ReduceMax { axes: vec![1], keepdims: true }, &[Type::bool([3, 5])]);
}

#[test]
fn gradients_compute_their_meaning() {
    for shapes in PAIRS {
        let kinds = shapes.map(Type::f32);
        with_gradients(Max, &kinds);
        with_gradients(Min, &kinds);
        with_gradients(Mod { sign_of_a: true }, &kinds);
        let condition = Type::bool(shapes[0]);
        with_gradients(Where, &[condition, kinds[0].clone(), kinds[1].clone()]);
    }
    for axes in [vec![], vec![0], vec![-1], vec![0, 2], vec![1]] {
        let x = [Type::f32([3, 4, 5])];
        with_gradients(ReduceMax { axes: axes.clone(), keepdims: false }, &x);
        with_gradients(ReduceMin { axes: axes.clone(), keepdims: true }, &x);
        with_gradients(ReduceProd { axes, keepdims: false }, &[Type::f32([3, 2, 2])]);
    }
    for axis in [0, 1, -1] {
        with_gradients(Gather { axis }, &[Type::f32([5, 5, 5]), Type::i64([3])]);
        with_gradients(GatherElements { axis }, &[Type::f32([5, 5, 5]), Type::i64([2, 3, 4])]);
    }
}

#[test]
fn functions_of_one_number_compute_their_meaning() {
    let x = [Type::f32([5, 4001])];
    for op in [Op::from(Sign), Floor.into(), Ceil.into(), Round.into(), Sin.into(), Cos.into()] {
        with_gradients(op.clone(), &x);
        self::op(op, &x);
    }
}
