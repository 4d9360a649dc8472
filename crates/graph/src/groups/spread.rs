//! Channels as one number for every element, so that ops which move elements show where channels go.

use std::collections::BTreeSet;

use super::flow::Channels;
use super::units::Units;
use crate::Array;
use crate::tensor::strides;

/// What an element is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    /// Put there by the op: it goes with whatever lies beside it.
    Filler,
    /// Part of what cannot be pruned.
    Fixed,
    /// Part of a channel.
    Unit(usize),
}

impl Cell {
    pub(super) fn from_number(number: f64) -> Self {
        match number as usize {
            0 => Self::Filler,
            1 => Self::Fixed,
            unit => Self::Unit(unit - 2),
        }
    }
}

/// A number for every element of a value of this shape: 1, or its unit + 2.
pub(super) fn spread(channels: Option<&Channels>, shape: &[usize]) -> Array {
    let Some(Channels { axis, units }) = channels else { return Array::from_fn(shape, |_| 1.0) };
    let stride = strides(shape)[*axis];
    Array::from_fn(shape, |i| units[i / stride % units.len()] as f64 + 2.0)
}

/// The axis that the units of these cells lie on. If there is none, units are joined until there is, along the
/// outermost axis that leaves at least two of them; if there is still none, they are frozen. `fixed` tells which axes
/// have no symbol.
pub(super) fn gather(
    cells: &[Cell],
    shape: &[usize],
    fixed: &[bool],
    units: &mut Units,
    because: &str,
) -> Option<Channels> {
    let all: Vec<usize> = units_of(cells.iter());
    if all.is_empty() {
        return None;
    }
    let axes = || (0..shape.len()).filter(|axis| fixed[*axis] && shape[*axis] > 1);
    let whole = |units: &mut Units, axis: usize| {
        let mut found = BTreeSet::new();
        let alone = planes(cells, shape, axis).iter().all(|plane| {
            let roots: BTreeSet<Option<usize>> =
                plane.iter().filter_map(|c| root(*c, units)).collect();
            found.extend(roots.iter().copied());
            roots.len() <= 1
        });
        alone && found.len() > 1
    };
    let axis = axes().find(|axis| whole(units, *axis)).or_else(|| {
        axes().find(|axis| {
            let mut tried = units.clone();
            join_planes(&planes(cells, shape, *axis), &mut tried, because);
            whole(&mut tried, *axis)
        })
    });
    let Some(axis) = axis else {
        units.freeze(&all, &format!("{because} takes them apart"));
        return None;
    };
    let planes = planes(cells, shape, axis);
    join_planes(&planes, units, because);
    let units = planes.iter().map(|plane| unit_of(plane, units, because)).collect();
    Some(Channels { axis, units })
}

/// The cells of every index along an axis.
fn planes(cells: &[Cell], shape: &[usize], axis: usize) -> Vec<Vec<Cell>> {
    let stride = strides(shape)[axis];
    let mut planes = vec![BTreeSet::new(); shape[axis]];
    for (i, cell) in cells.iter().enumerate() {
        planes[i / stride % shape[axis]].insert(*cell);
    }
    planes.into_iter().map(|plane| plane.into_iter().collect()).collect()
}

/// None for filler, `Some(None)` for what stays.
fn root(cell: Cell, units: &mut Units) -> Option<Option<usize>> {
    match cell {
        Cell::Filler => None,
        Cell::Fixed => Some(None),
        Cell::Unit(unit) => {
            let root = units.root(unit);
            Some(units.frozen(root).is_none().then_some(root))
        }
    }
}

fn units_of<'c>(cells: impl Iterator<Item = &'c Cell>) -> Vec<usize> {
    let unit = |cell: &Cell| if let Cell::Unit(unit) = cell { Some(*unit) } else { None };
    cells.filter_map(unit).collect::<BTreeSet<_>>().into_iter().collect()
}

fn join_planes(planes: &[Vec<Cell>], units: &mut Units, because: &str) {
    for plane in planes {
        let inside = units_of(plane.iter());
        units.join_all(&inside, because);
        if plane.contains(&Cell::Fixed) {
            units.freeze(&inside, &format!("{because} lays them beside what cannot be pruned"));
        }
    }
}

/// The unit of a plane whose units are joined; a new one for filler, and a frozen one for what is fixed.
fn unit_of(plane: &[Cell], units: &mut Units, because: &str) -> usize {
    if let Some(unit) = units_of(plane.iter()).first() {
        return *unit;
    }
    let fresh = units.fresh(1);
    if plane.contains(&Cell::Fixed) {
        units.freeze(&fresh, &format!("{because} takes in what cannot be pruned"));
    }
    fresh[0]
}
