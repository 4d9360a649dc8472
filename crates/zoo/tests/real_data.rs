//! The readers on the real files, where they are: set `HOYER_DATA` to a folder that has them.
//! Without it each test prints that it was skipped.

use std::path::PathBuf;

use hoyer_zoo::data::catalog::Entry;
use hoyer_zoo::data::lookup::find;
use hoyer_zoo::data::{Normalization, cifar, load};

fn roots() -> Option<Vec<PathBuf>> {
    let roots = std::env::var_os("HOYER_DATA").map(|root| vec![PathBuf::from(root)]);
    if roots.is_none() {
        eprintln!("skipped: HOYER_DATA is not set");
    }
    roots
}

#[test]
fn mnist_has_its_known_counts_and_mean() {
    let Some(roots) = roots() else { return };
    let mnist = load("mnist", &roots).unwrap();
    mnist.check().unwrap();
    assert_eq!((mnist.train.len(), mnist.test.len()), (60_000, 10_000));
    let train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949];
    let test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009];
    assert_eq!(mnist.class_counts(&mnist.train), train);
    assert_eq!(mnist.class_counts(&mnist.test), test);
    let measured = Normalization::measure(&mnist, &mnist.train).unwrap();
    assert!((measured.mean[0] - 0.13066).abs() < 1e-5, "mean {}", measured.mean[0]);
    assert!((measured.std[0] - 0.30811).abs() < 1e-5, "std {}", measured.std[0]);
}

#[test]
fn the_first_thousand_cifar_test_images_read_and_cifar_10_is_asked_for_whole() {
    let Some(roots) = roots() else { return };
    let sample = roots[0].join("cifar10/test_first1000.bin.gz");
    if !sample.exists() {
        eprintln!("skipped: no {}", sample.display());
        return;
    }
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    assert_eq!(cifar::append_records(&sample, &mut pixels, &mut labels).unwrap(), 1000);
    // The first test images show a cat, two ships, an airplane, two frogs.
    assert_eq!(labels[..6], [3, 8, 8, 0, 6, 6]);
    if let Err(e) = load("cifar-10", &roots) {
        assert!(e.to_string().ends_with("get it with `hoyer data fetch cifar-10`"), "{e}");
    }
}

#[test]
fn cifar_10_has_its_known_counts_and_means() {
    let Some(roots) = roots() else { return };
    if find(Entry::find("cifar-10").unwrap(), &roots).is_err() {
        eprintln!("skipped: no whole cifar-10");
        return;
    }
    let cifar = load("cifar-10", &roots).unwrap();
    assert_eq!(cifar.class_counts(&cifar.train), [5000; 10]);
    assert_eq!(cifar.class_counts(&cifar.test), [1000; 10]);
    let measured = Normalization::measure(&cifar, &cifar.train).unwrap();
    for (channel, (mean, std)) in
        [(125.3069, 62.9932), (122.9504, 62.0887), (113.8654, 66.7049)].into_iter().enumerate()
    {
        assert!((measured.mean[channel] * 255.0 - mean).abs() < 1e-3);
        assert!((measured.std[channel] * 255.0 - std).abs() < 1e-3);
    }
}
