//! Where data sets are looked for, in order: `--data-dir`, `$HOYER_DATA`, the user's cache folder,
//! `/usr/share/datasets`.
//!
//! Not here: how a data set lies below such a folder (`hoyer_zoo::data::lookup`).

use std::path::PathBuf;

/// The folders there may be; the first is where a download goes.
pub(crate) fn roots(data_dir: Option<PathBuf>) -> Vec<PathBuf> {
    ordered(data_dir, |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from))
}

fn ordered(data_dir: Option<PathBuf>, variable: impl Fn(&str) -> Option<PathBuf>) -> Vec<PathBuf> {
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .or_else(|| variable("LOCALAPPDATA"))
        .map(|cache| cache.join("hoyer"));
    let system = Some(PathBuf::from("/usr/share/datasets"));
    [data_dir, variable("HOYER_DATA"), cache, system].into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_comes_before_the_variable_and_the_cache() {
        let variable = |name: &str| match name {
            "HOYER_DATA" => Some("/data".into()),
            "HOME" => Some("/home/a".into()),
            _ => None,
        };
        let expected = ["flag", "/data", "/home/a/.cache/hoyer", "/usr/share/datasets"];
        assert_eq!(ordered(Some("flag".into()), variable), expected.map(PathBuf::from));
    }

    #[test]
    fn the_cache_is_where_the_user_says() {
        let variable = |name: &str| (name == "XDG_CACHE_HOME").then(|| "/cache".into());
        assert_eq!(ordered(None, variable)[0], PathBuf::from("/cache/hoyer"));
    }
}
